-- The audit log: leaves, personal facts beside them, nodes of the tree, signed heads. Rows are only ever added
-- (facts may be erased). The installation's own log is workspace x'00..00'.
CREATE TABLE t_audit(
  workspace BLOB NOT NULL,
  seq INTEGER NOT NULL,
  id BLOB NOT NULL,
  at INTEGER NOT NULL,
  act TEXT NOT NULL,
  leaf BLOB NOT NULL,
  PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;
CREATE INDEX t_audit_at ON t_audit(workspace, at);
CREATE TABLE t_audit_facts(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  salt BLOB NOT NULL,
  facts TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE TABLE t_audit_nodes(
  workspace BLOB NOT NULL,
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (workspace, level, idx)
) WITHOUT ROWID;
-- `anchor` is the seq in the installation's log of the leaf that records this head (null for the installation's own).
CREATE TABLE t_audit_heads(
  workspace BLOB NOT NULL,
  size INTEGER NOT NULL,
  root BLOB NOT NULL,
  at INTEGER NOT NULL,
  note TEXT NOT NULL,
  anchor INTEGER,
  PRIMARY KEY (workspace, size)
) WITHOUT ROWID;
CREATE TABLE t_audit_pending(
  workspace BLOB NOT NULL PRIMARY KEY
) WITHOUT ROWID;
