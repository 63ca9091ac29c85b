-- When somebody noted that they have seen an alert, and who: "session usr_...", "key key_...", "operator usr_...".
ALTER TABLE t_alerts ADD COLUMN acknowledged INTEGER;
ALTER TABLE t_alerts ADD COLUMN acknowledged_by TEXT NOT NULL DEFAULT '';
