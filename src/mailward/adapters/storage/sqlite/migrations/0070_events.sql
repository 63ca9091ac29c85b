-- What an endpoint's silence led to, replays with their progress, and the messages that are held.
ALTER TABLE t_webhooks ADD COLUMN failing_since INTEGER;
ALTER TABLE t_webhooks ADD COLUMN disabled_at INTEGER;
ALTER TABLE t_webhooks ADD COLUMN owner_told TEXT NOT NULL DEFAULT '';
CREATE INDEX t_webhooks_untold ON t_webhooks(disabled_at) WHERE owner_told = 'due';
ALTER TABLE t_webhook_jobs ADD COLUMN replay BLOB;
CREATE INDEX t_webhook_jobs_replay ON t_webhook_jobs(workspace, webhook, replay) WHERE replay IS NOT NULL;
CREATE INDEX t_webhook_attempts_event ON t_webhook_attempts(workspace, webhook, event);
CREATE TABLE t_webhook_replays(
  workspace BLOB NOT NULL,
  webhook BLOB NOT NULL,
  id BLOB NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  only_failed INTEGER NOT NULL,
  total INTEGER NOT NULL,
  more INTEGER NOT NULL,
  PRIMARY KEY (workspace, webhook, id)
) WITHOUT ROWID;
CREATE INDEX t_deliveries_held ON t_deliveries(workspace, message) WHERE state = 2;
