-- Retention. `content_gone` is when (microseconds UTC) a message's content was let go; until then it is null.
ALTER TABLE t_messages ADD COLUMN content_gone INTEGER;
-- Every message up to and including `content_upto` has let go of its content, or waits below because a copy is open.
CREATE TABLE t_retention(
  workspace BLOB NOT NULL PRIMARY KEY,
  content_upto BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE t_content_waiting(
  workspace BLOB NOT NULL,
  message BLOB NOT NULL,
  PRIMARY KEY (workspace, message)
) WITHOUT ROWID;
-- Bodies of erased messages whose octets are still to be overwritten. A row goes when that is on the disk.
CREATE TABLE t_erasures(
  workspace BLOB NOT NULL,
  message BLOB NOT NULL,
  segment INTEGER NOT NULL,
  seg_offset INTEGER NOT NULL,
  seg_length INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (workspace, message)
) WITHOUT ROWID;
