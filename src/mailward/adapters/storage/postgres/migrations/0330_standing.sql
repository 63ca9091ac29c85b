-- keeps: 260
-- Messages are looked up by what became of them. Delivered ones are found by walking: they are nearly all.
CREATE INDEX deliveries_standing ON deliveries(workspace, state, message) WHERE state > 3;
