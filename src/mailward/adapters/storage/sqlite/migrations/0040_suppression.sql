-- Addresses nothing is sent to. The token is a keyed hash of the address in its compared form; stream '' is every stream.
CREATE TABLE t_suppressions(
  workspace BLOB NOT NULL,
  token BLOB NOT NULL,
  stream TEXT NOT NULL,
  id BLOB NOT NULL,
  address TEXT NOT NULL,
  reason TEXT NOT NULL,
  source TEXT NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (workspace, token, stream)
) WITHOUT ROWID;
CREATE UNIQUE INDEX t_suppressions_id ON t_suppressions(workspace, id);
