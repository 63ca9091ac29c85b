-- Webhook endpoints, their sealed secrets, the events they asked for, every attempt to tell them, and replays.
-- `details` holds URL, description and why it was disabled; bodies and answers are sealed too.
CREATE TABLE webhooks(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  details bytea NOT NULL,
  types text NOT NULL,
  enabled smallint NOT NULL,
  created bigint NOT NULL,
  failing_since bigint,
  disabled_at bigint,
  owner_told text NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX webhooks_untold ON webhooks(disabled_at) WHERE owner_told = 'due';
CREATE TABLE webhook_secrets(
  workspace bytea NOT NULL,
  webhook bytea NOT NULL,
  created bigint NOT NULL,
  sealed bytea NOT NULL,
  expires bigint,
  PRIMARY KEY (workspace, webhook, created)
);
CREATE TABLE webhook_events(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  type text NOT NULL,
  at bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX webhook_events_at ON webhook_events(at);
ALTER TABLE webhook_events ALTER COLUMN body SET STORAGE EXTERNAL;
-- A job is one event for one endpoint. Like a delivery's, its lease is a due time moved into the future.
CREATE TABLE webhook_jobs(
  workspace bytea NOT NULL,
  webhook bytea NOT NULL,
  event bytea NOT NULL,
  type text NOT NULL,
  state smallint NOT NULL,
  attempts integer NOT NULL,
  due bigint,
  replay bytea,
  PRIMARY KEY (workspace, webhook, event)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX webhook_jobs_due ON webhook_jobs(due) WHERE due IS NOT NULL;
CREATE INDEX webhook_jobs_open ON webhook_jobs(workspace, webhook, due) WHERE due IS NOT NULL;
CREATE INDEX webhook_jobs_replay ON webhook_jobs(workspace, webhook, replay) WHERE replay IS NOT NULL;
CREATE INDEX webhook_jobs_event ON webhook_jobs(workspace, event) WHERE due IS NOT NULL;
CREATE TABLE webhook_attempts(
  workspace bytea NOT NULL,
  webhook bytea NOT NULL,
  id bytea NOT NULL,
  event bytea NOT NULL,
  type text NOT NULL,
  at bigint NOT NULL,
  number integer NOT NULL,
  outcome text NOT NULL,
  status integer NOT NULL,
  elapsed_ms integer NOT NULL,
  response bytea NOT NULL,
  next_due bigint NOT NULL,
  PRIMARY KEY (workspace, webhook, id)
);
CREATE INDEX webhook_attempts_event ON webhook_attempts(workspace, webhook, event);
CREATE TABLE webhook_replays(
  workspace bytea NOT NULL,
  webhook bytea NOT NULL,
  id bytea NOT NULL,
  since bigint NOT NULL,
  until bigint NOT NULL,
  only_failed smallint NOT NULL,
  total integer NOT NULL,
  more smallint NOT NULL,
  PRIMARY KEY (workspace, webhook, id)
);
CALL raise_wall('webhooks', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE');
CALL raise_wall('webhook_secrets', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT');
CALL raise_wall('webhook_events', 'SELECT, INSERT, DELETE', 'SELECT, INSERT, DELETE');
CALL raise_wall('webhook_jobs', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('webhook_attempts', 'SELECT, INSERT, DELETE', 'SELECT, INSERT, DELETE');
CALL raise_wall('webhook_replays', 'SELECT, INSERT, DELETE', 'SELECT, INSERT, DELETE');
