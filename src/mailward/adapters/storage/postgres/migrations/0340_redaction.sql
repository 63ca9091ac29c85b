-- keeps: 100
-- The private part of a message under way whose workspace never stores a field: sealed under a key of its own. The row
-- is deleted with the last copy's outcome, and what is left of it goes with a vacuum: so that one comes soon.
CREATE TABLE private_parts(
  workspace bytea NOT NULL,
  message bytea NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (workspace, message)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE private_parts ALTER COLUMN sealed SET STORAGE EXTERNAL;
-- By "sent" or "received" and a field: every message up to `upto` is redacted, or waits below.
CREATE TABLE redaction(
  workspace bytea NOT NULL,
  kind text COLLATE "C" NOT NULL,
  upto bytea NOT NULL,
  PRIMARY KEY (workspace, kind)
);
CREATE TABLE redaction_waiting(
  workspace bytea NOT NULL,
  kind text COLLATE "C" NOT NULL,
  message bytea NOT NULL,
  PRIMARY KEY (workspace, kind, message)
);
CALL raise_wall('private_parts', 'SELECT, INSERT, DELETE', 'SELECT, INSERT');
CALL raise_wall('redaction', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT');
CALL raise_wall('redaction_waiting', 'SELECT, INSERT, DELETE', 'SELECT, INSERT');
-- What is stored of a message is written anew without the fields that are redacted.
GRANT UPDATE ON webhook_events, webhook_attempts, received_attempts, suppressions TO mailward_tenant;
