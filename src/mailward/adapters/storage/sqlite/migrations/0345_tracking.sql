-- What a workspace wants tracked: scope '' for itself, 's:' a stream, 'd:' a domain by its id. Without a row: nothing.
CREATE TABLE t_tracking_modes(
  workspace BLOB NOT NULL,
  scope TEXT NOT NULL,
  mode TEXT NOT NULL,
  PRIMARY KEY (workspace, scope)
) WITHOUT ROWID;
-- Recipients who do not want to be tracked. The token is the keyed hash that the suppression list knows them by.
CREATE TABLE t_tracking_opt_outs(
  workspace BLOB NOT NULL,
  token BLOB NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (workspace, token)
) WITHOUT ROWID;
