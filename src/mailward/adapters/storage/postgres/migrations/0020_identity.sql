-- Workspaces, their data keys; users, members, sessions, credentials, setup links.
CREATE TABLE workspaces(
  workspace bytea PRIMARY KEY,
  name bytea NOT NULL,
  created bigint NOT NULL,
  settings bytea NOT NULL
);
CREATE TABLE data_keys(
  workspace bytea NOT NULL,
  day integer NOT NULL,
  version integer NOT NULL,
  wrapped bytea,
  destroyed bigint,
  PRIMARY KEY (workspace, day, version)
);
-- A person belongs to the installation. `email_token` is of the address without regard to ASCII case; `person` holds
-- address and name.
CREATE TABLE users(
  id bytea PRIMARY KEY,
  email_token bytea NOT NULL UNIQUE,
  person bytea NOT NULL,
  password bytea NOT NULL,
  created bigint NOT NULL,
  disabled bigint
);
CREATE TABLE setup_links(
  token_hash bytea PRIMARY KEY,
  created bigint NOT NULL,
  expires bigint NOT NULL,
  used bigint
);
CREATE TABLE members(
  workspace bytea NOT NULL,
  "user" bytea NOT NULL,
  person bytea NOT NULL,
  role text NOT NULL,
  joined bigint NOT NULL,
  PRIMARY KEY (workspace, "user")
);
CREATE INDEX members_user ON members("user");
-- `place` holds device and address.
CREATE TABLE sessions(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  "user" bytea NOT NULL,
  token_hash bytea NOT NULL UNIQUE,
  created bigint NOT NULL,
  last_seen bigint NOT NULL,
  place bytea NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX sessions_user ON sessions("user");
-- `details` holds name, hint, domains, networks, and why it was paused is `pause_reason`.
CREATE TABLE credentials(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  kind text NOT NULL,
  details bytea NOT NULL,
  token_hash bytea UNIQUE,
  scopes text NOT NULL,
  created bigint NOT NULL,
  created_by text NOT NULL,
  expires bigint,
  last_used bigint,
  revoked bigint,
  paused bigint,
  pause_reason bytea,
  released bigint,
  successor bytea,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX credentials_id ON credentials(id);
CREATE INDEX credentials_networks ON credentials(kind) WHERE kind = 'network';
CREATE INDEX credentials_paused ON credentials(paused) WHERE paused IS NOT NULL;
CREATE INDEX credentials_expires ON credentials(expires) WHERE expires IS NOT NULL;
CREATE INDEX credentials_revoked ON credentials(revoked) WHERE revoked IS NOT NULL;
-- Recipients a credential wrote to, in slots of ten minutes: what bursts are measured against.
CREATE TABLE credential_traffic(
  workspace bytea NOT NULL,
  credential bytea NOT NULL,
  slot bigint NOT NULL,
  recipients bigint NOT NULL,
  PRIMARY KEY (workspace, credential, slot)
);
CREATE INDEX credential_traffic_slot ON credential_traffic(slot);
CALL raise_wall('workspaces', 'SELECT, UPDATE', 'SELECT, INSERT, UPDATE');
CALL raise_wall('data_keys', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE');
CALL raise_wall('members', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('sessions', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('credentials', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE');
CALL raise_wall('credential_traffic', '', 'SELECT, INSERT, UPDATE, DELETE');
GRANT SELECT, INSERT, UPDATE ON users TO mailward_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON setup_links TO mailward_system;
