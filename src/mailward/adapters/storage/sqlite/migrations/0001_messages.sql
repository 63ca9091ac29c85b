-- Messages, their deliveries and attempts: the path every message takes. Rows are few and small on purpose.
CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE worker_slots(slot INTEGER PRIMARY KEY, generation INTEGER NOT NULL, started INTEGER NOT NULL);
CREATE TABLE t_messages(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  created INTEGER NOT NULL,
  segment INTEGER,
  seg_offset INTEGER,
  seg_length INTEGER,
  facts BLOB NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE TABLE t_deliveries(
  workspace BLOB NOT NULL,
  message BLOB NOT NULL,
  n INTEGER NOT NULL,
  recipient TEXT NOT NULL,
  state INTEGER NOT NULL,
  due INTEGER NOT NULL,
  lessee INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  reason TEXT,
  dsn TEXT,
  PRIMARY KEY (workspace, message, n)
) WITHOUT ROWID;
-- One index serves due work and expired leases alike: a lease is a due time moved into the future.
CREATE INDEX t_deliveries_open ON t_deliveries(workspace, due, lessee) WHERE state < 2;
CREATE TABLE t_attempts(
  workspace BLOB NOT NULL,
  message BLOB NOT NULL,
  n INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  at INTEGER NOT NULL,
  facts BLOB NOT NULL,
  PRIMARY KEY (workspace, message, n, attempt)
) WITHOUT ROWID;
CREATE TABLE t_timeline(
  workspace BLOB NOT NULL,
  message BLOB NOT NULL,
  at INTEGER NOT NULL,
  moment TEXT NOT NULL,
  facts TEXT NOT NULL,
  PRIMARY KEY (workspace, message, at, moment)
) WITHOUT ROWID;
CREATE TABLE t_idempotency(
  workspace BLOB NOT NULL,
  key BLOB NOT NULL,
  expires INTEGER NOT NULL,
  body BLOB NOT NULL,
  answer BLOB NOT NULL,
  PRIMARY KEY (workspace, key)
) WITHOUT ROWID;
CREATE INDEX t_idempotency_expires ON t_idempotency(expires);
CREATE TABLE t_usage(
  workspace BLOB NOT NULL,
  day INTEGER NOT NULL,
  what TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (workspace, day, what)
) WITHOUT ROWID;
-- Keyed word tokens for search, written by upkeep shortly after the commit.
CREATE TABLE t_search(
  workspace BLOB NOT NULL,
  token BLOB NOT NULL,
  message BLOB NOT NULL,
  PRIMARY KEY (workspace, token, message)
) WITHOUT ROWID;
CREATE TABLE t_search_progress(
  workspace BLOB NOT NULL PRIMARY KEY,
  upto BLOB NOT NULL
) WITHOUT ROWID;
