-- The private part of a message under way whose workspace never stores a field: sealed under a key of its own. The row
-- is deleted with the last copy's outcome.
CREATE TABLE t_private_parts(
  workspace BLOB NOT NULL,
  message BLOB NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (workspace, message)
) WITHOUT ROWID;
-- By "sent" or "received" and a field: every message up to `upto` is redacted, or waits below.
CREATE TABLE t_redaction(
  workspace BLOB NOT NULL,
  kind TEXT NOT NULL,
  upto BLOB NOT NULL,
  PRIMARY KEY (workspace, kind)
) WITHOUT ROWID;
CREATE TABLE t_redaction_waiting(
  workspace BLOB NOT NULL,
  kind TEXT NOT NULL,
  message BLOB NOT NULL,
  PRIMARY KEY (workspace, kind, message)
) WITHOUT ROWID;
