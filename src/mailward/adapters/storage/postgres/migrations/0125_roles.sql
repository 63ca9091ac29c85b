-- keeps: 100
-- Roles that workspaces make themselves, and who was given one. `permissions` are names with a space between.
CREATE TABLE roles(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  name text NOT NULL,
  permissions text NOT NULL,
  created bigint NOT NULL,
  created_by text NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE TABLE role_holders(
  workspace bytea NOT NULL,
  "user" bytea NOT NULL,
  role bytea NOT NULL,
  PRIMARY KEY (workspace, "user")
);
CALL raise_wall('roles', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('role_holders', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
