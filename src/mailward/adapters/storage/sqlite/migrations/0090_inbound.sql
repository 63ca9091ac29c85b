-- Routes of received mail, the messages, a copy for each route, every attempt to hand one over, and replays.
CREATE TABLE t_inbound_routes(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  details BLOB NOT NULL,
  enabled INTEGER NOT NULL,
  created INTEGER NOT NULL,
  disabled_at INTEGER,
  failing_since INTEGER,
  owner_told TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX t_inbound_routes_untold ON t_inbound_routes(disabled_at) WHERE owner_told = 'due';
CREATE TABLE t_inbound_secrets(
  workspace BLOB NOT NULL,
  route BLOB NOT NULL,
  created INTEGER NOT NULL,
  sealed BLOB NOT NULL,
  expires INTEGER,
  PRIMARY KEY (workspace, route, created)
) WITHOUT ROWID;
CREATE TABLE t_received(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  at INTEGER NOT NULL,
  segment INTEGER,
  seg_offset INTEGER,
  seg_length INTEGER,
  facts BLOB NOT NULL,
  reason TEXT NOT NULL,
  content_gone INTEGER,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
-- What still keeps a day's data key.
CREATE INDEX t_received_content ON t_received(workspace, id) WHERE segment IS NOT NULL;
-- Like a delivery's, the lease of a copy is a due time moved into the future.
CREATE TABLE t_received_copies(
  workspace BLOB NOT NULL,
  route BLOB NOT NULL,
  received BLOB NOT NULL,
  state INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  due INTEGER,
  replay BLOB,
  PRIMARY KEY (workspace, route, received)
) WITHOUT ROWID;
CREATE INDEX t_received_copies_of ON t_received_copies(workspace, received);
CREATE INDEX t_received_copies_state ON t_received_copies(workspace, state, received) WHERE state <> 1;
CREATE INDEX t_received_copies_due ON t_received_copies(due) WHERE due IS NOT NULL;
CREATE INDEX t_received_copies_open ON t_received_copies(workspace, route, due) WHERE due IS NOT NULL;
CREATE INDEX t_received_copies_replay ON t_received_copies(workspace, route, replay) WHERE replay IS NOT NULL;
CREATE TABLE t_received_attempts(
  workspace BLOB NOT NULL,
  received BLOB NOT NULL,
  id BLOB NOT NULL,
  route BLOB NOT NULL,
  at INTEGER NOT NULL,
  number INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  status INTEGER NOT NULL,
  elapsed_ms INTEGER NOT NULL,
  response TEXT NOT NULL,
  next_due INTEGER NOT NULL,
  PRIMARY KEY (workspace, received, id)
) WITHOUT ROWID;
CREATE TABLE t_inbound_replays(
  workspace BLOB NOT NULL,
  route BLOB NOT NULL,
  id BLOB NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  only_failed INTEGER NOT NULL,
  total INTEGER NOT NULL,
  more INTEGER NOT NULL,
  PRIMARY KEY (workspace, route, id)
) WITHOUT ROWID;
