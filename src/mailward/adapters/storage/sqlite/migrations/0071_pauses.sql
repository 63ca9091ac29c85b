-- Streams of a workspace (or "" for all of them) whose new mail is held.
CREATE TABLE t_pauses(
  workspace BLOB NOT NULL,
  stream TEXT NOT NULL,
  at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (workspace, stream)
) WITHOUT ROWID;
