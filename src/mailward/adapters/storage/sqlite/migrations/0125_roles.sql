-- Roles that workspaces make themselves, and who was given one. `permissions` are names with a space between.
CREATE TABLE t_roles(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  name TEXT NOT NULL,
  permissions TEXT NOT NULL,
  created INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE TABLE t_role_holders(
  workspace BLOB NOT NULL,
  user BLOB NOT NULL,
  role BLOB NOT NULL,
  PRIMARY KEY (workspace, user)
) WITHOUT ROWID;
