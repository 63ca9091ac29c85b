-- How people come in: invitations, identities at other providers, and the networks a person may come from.
CREATE TABLE t_invitations(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  email TEXT NOT NULL COLLATE NOCASE,
  role TEXT NOT NULL,
  token_hash BLOB UNIQUE,
  invited_by TEXT NOT NULL,
  created INTEGER NOT NULL,
  sent INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  accepted INTEGER,
  revoked INTEGER,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX t_invitations_open ON t_invitations(workspace, email) WHERE token_hash IS NOT NULL;
-- `identity` is the issuer, a line break and the subject.
CREATE TABLE identity_links(
  identity TEXT NOT NULL PRIMARY KEY,
  user BLOB NOT NULL,
  provider TEXT NOT NULL,
  email TEXT NOT NULL,
  created INTEGER NOT NULL,
  used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX identity_links_user ON identity_links(user);
CREATE TABLE user_networks(
  user BLOB NOT NULL PRIMARY KEY,
  networks TEXT NOT NULL,
  changed INTEGER NOT NULL
) WITHOUT ROWID;
