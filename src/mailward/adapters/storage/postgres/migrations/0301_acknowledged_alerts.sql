-- keeps: 100
-- When somebody noted that they have seen an alert, and who: "session usr_...", "key key_...", "operator usr_...".
ALTER TABLE alerts ADD COLUMN acknowledged bigint;
ALTER TABLE alerts ADD COLUMN acknowledged_by text NOT NULL DEFAULT '';
GRANT UPDATE (acknowledged, acknowledged_by) ON alerts TO mailward_tenant, mailward_system;
