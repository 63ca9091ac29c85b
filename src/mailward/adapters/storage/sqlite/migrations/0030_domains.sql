-- Domains, their signing keys, and the selectors each name ever had.
CREATE TABLE t_domains(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  token TEXT NOT NULL,
  subdomains INTEGER NOT NULL,
  created INTEGER NOT NULL,
  verified_at INTEGER,
  checked_at INTEGER,
  next_check INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  failing_since INTEGER,
  own_return_path INTEGER NOT NULL,
  checks TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX t_domains_name ON t_domains(workspace, name);
-- A name is verified in one workspace at a time: no transaction can see the others, and this index need not.
CREATE UNIQUE INDEX t_domains_verified ON t_domains(name) WHERE state = 'verified';
CREATE INDEX t_domains_due ON t_domains(next_check) WHERE state <> 'capture_only';
CREATE TABLE t_dkim_pairs(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  domain BLOB NOT NULL,
  stem TEXT NOT NULL,
  state TEXT NOT NULL,
  rsa_public BLOB NOT NULL,
  ed25519_public BLOB NOT NULL,
  rsa_sealed BLOB NOT NULL,
  ed25519_sealed BLOB NOT NULL,
  created INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  wait INTEGER NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX t_dkim_pairs_domain ON t_dkim_pairs(workspace, domain);
-- Rows stay when a domain is removed: a selector of a name is never given to another key, in any workspace.
CREATE TABLE t_dkim_selectors(
  workspace BLOB NOT NULL,
  name TEXT NOT NULL,
  stem TEXT NOT NULL,
  PRIMARY KEY (workspace, name, stem)
) WITHOUT ROWID;
CREATE UNIQUE INDEX t_dkim_selectors_once ON t_dkim_selectors(name, stem);
