-- Webhook endpoints, their sealed secrets, the events they asked for, and every attempt to tell them.
CREATE TABLE t_webhooks(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  url TEXT NOT NULL,
  types TEXT NOT NULL,
  description TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  disabled_reason TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE TABLE t_webhook_secrets(
  workspace BLOB NOT NULL,
  webhook BLOB NOT NULL,
  created INTEGER NOT NULL,
  sealed BLOB NOT NULL,
  expires INTEGER,
  PRIMARY KEY (workspace, webhook, created)
) WITHOUT ROWID;
CREATE TABLE t_webhook_events(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX t_webhook_events_at ON t_webhook_events(at);
-- A job is one event for one endpoint. Like a delivery's, its lease is a due time moved into the future.
CREATE TABLE t_webhook_jobs(
  workspace BLOB NOT NULL,
  webhook BLOB NOT NULL,
  event BLOB NOT NULL,
  type TEXT NOT NULL,
  state INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  due INTEGER,
  PRIMARY KEY (workspace, webhook, event)
) WITHOUT ROWID;
CREATE INDEX t_webhook_jobs_due ON t_webhook_jobs(due) WHERE due IS NOT NULL;
CREATE INDEX t_webhook_jobs_open ON t_webhook_jobs(workspace, webhook, due) WHERE due IS NOT NULL;
CREATE TABLE t_webhook_attempts(
  workspace BLOB NOT NULL,
  webhook BLOB NOT NULL,
  id BLOB NOT NULL,
  event BLOB NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  number INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  status INTEGER NOT NULL,
  elapsed_ms INTEGER NOT NULL,
  response TEXT NOT NULL,
  next_due INTEGER NOT NULL,
  PRIMARY KEY (workspace, webhook, id)
) WITHOUT ROWID;
