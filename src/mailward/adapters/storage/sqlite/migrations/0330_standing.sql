-- Messages are looked up by what became of them. Delivered ones are found by walking: they are nearly all.
CREATE INDEX t_deliveries_standing ON t_deliveries(workspace, state, message) WHERE state > 3;
