-- Workspaces, their data keys; users, members, sessions, credentials, setup links.
CREATE TABLE t_workspaces(
  workspace BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  created INTEGER NOT NULL,
  settings TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE t_data_keys(
  workspace BLOB NOT NULL,
  day INTEGER NOT NULL,
  version INTEGER NOT NULL,
  wrapped BLOB,
  destroyed INTEGER,
  PRIMARY KEY (workspace, day, version)
) WITHOUT ROWID;
CREATE TABLE users(
  id BLOB NOT NULL PRIMARY KEY,
  email TEXT NOT NULL UNIQUE COLLATE NOCASE,
  name TEXT NOT NULL,
  password TEXT NOT NULL,
  created INTEGER NOT NULL,
  disabled INTEGER
) WITHOUT ROWID;
CREATE TABLE setup_links(
  token_hash BLOB NOT NULL PRIMARY KEY,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  used INTEGER
) WITHOUT ROWID;
CREATE TABLE t_members(
  workspace BLOB NOT NULL,
  user BLOB NOT NULL,
  email TEXT NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  joined INTEGER NOT NULL,
  PRIMARY KEY (workspace, user)
) WITHOUT ROWID;
CREATE INDEX t_members_user ON t_members(user);
CREATE TABLE t_sessions(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  user BLOB NOT NULL,
  token_hash BLOB NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  device TEXT NOT NULL,
  address TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX t_sessions_user ON t_sessions(user);
CREATE TABLE t_credentials(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  hint TEXT NOT NULL,
  token_hash BLOB UNIQUE,
  scopes TEXT NOT NULL,
  domains TEXT,
  networks TEXT NOT NULL,
  created INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  expires INTEGER,
  last_used INTEGER,
  revoked INTEGER,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX t_credentials_id ON t_credentials(id);
CREATE INDEX t_credentials_networks ON t_credentials(kind) WHERE kind = 'network';
