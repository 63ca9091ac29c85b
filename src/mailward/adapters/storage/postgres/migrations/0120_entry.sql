-- keeps: 100
-- How people come in: invitations, identities at other providers, and the networks a person may come from.
-- `person` of an invitation is the address it was sent to; `details` of a link holds identity, provider and address.
CREATE TABLE invitations(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  email_token bytea NOT NULL,
  person bytea NOT NULL,
  role text NOT NULL,
  token_hash bytea UNIQUE,
  invited_by text NOT NULL,
  created bigint NOT NULL,
  sent bigint NOT NULL,
  expires bigint NOT NULL,
  accepted bigint,
  revoked bigint,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX invitations_open ON invitations(workspace, email_token) WHERE token_hash IS NOT NULL;
CREATE TABLE identity_links(
  identity_token bytea PRIMARY KEY,
  "user" bytea NOT NULL,
  details bytea NOT NULL,
  created bigint NOT NULL,
  used bigint NOT NULL
);
CREATE INDEX identity_links_user ON identity_links("user");
CREATE TABLE user_networks(
  "user" bytea PRIMARY KEY,
  networks bytea NOT NULL,
  changed bigint NOT NULL
);
CALL raise_wall('invitations', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE, DELETE');
GRANT SELECT, INSERT, UPDATE, DELETE ON identity_links TO mailward_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON user_networks TO mailward_system;
