-- Domains, their signing keys, and the selectors each name ever had. A name is a keyed token, the same in every
-- workspace; `details` holds the name itself, the token for its proof, and what the last check found.
CREATE TABLE domains(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  name_token bytea NOT NULL,
  details bytea NOT NULL,
  state text NOT NULL,
  subdomains smallint NOT NULL,
  created bigint NOT NULL,
  verified_at bigint,
  checked_at bigint,
  next_check bigint NOT NULL,
  failures integer NOT NULL,
  failing_since bigint,
  own_return_path smallint NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX domains_name ON domains(workspace, name_token);
-- A name is verified in one workspace at a time: no transaction can see the others, and this index need not.
CREATE UNIQUE INDEX domains_verified ON domains(name_token) WHERE state = 'verified';
CREATE INDEX domains_due ON domains(next_check) WHERE state <> 'capture_only';
CREATE TABLE dkim_pairs(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  domain bytea NOT NULL,
  stem text NOT NULL,
  state text NOT NULL,
  rsa_public bytea NOT NULL,
  ed25519_public bytea NOT NULL,
  rsa_sealed bytea NOT NULL,
  ed25519_sealed bytea NOT NULL,
  created bigint NOT NULL,
  changed bigint NOT NULL,
  wait bigint NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX dkim_pairs_domain ON dkim_pairs(workspace, domain);
-- Rows stay when a domain is removed: a selector of a name is never given to another key, in any workspace.
CREATE TABLE dkim_selectors(
  workspace bytea NOT NULL,
  name_token bytea NOT NULL,
  stem text NOT NULL,
  PRIMARY KEY (workspace, name_token, stem)
);
CREATE UNIQUE INDEX dkim_selectors_once ON dkim_selectors(name_token, stem);
CALL raise_wall('domains', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('dkim_pairs', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('dkim_selectors', 'SELECT, INSERT', 'SELECT, INSERT');
