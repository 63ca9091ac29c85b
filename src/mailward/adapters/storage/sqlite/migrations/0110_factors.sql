-- Second factors of people, recovery codes, steps that were begun and wait to be finished, devices that are trusted.
CREATE TABLE factors(
  id BLOB NOT NULL PRIMARY KEY,
  user BLOB NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  secret BLOB NOT NULL,
  handle BLOB UNIQUE,
  counter INTEGER NOT NULL,
  created INTEGER NOT NULL,
  used INTEGER
) WITHOUT ROWID;
CREATE INDEX factors_user ON factors(user);
CREATE TABLE recovery_codes(
  user BLOB NOT NULL,
  code_hash BLOB NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (user, code_hash)
) WITHOUT ROWID;
CREATE TABLE tickets(
  token_hash BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  user BLOB,
  facts TEXT NOT NULL,
  tries INTEGER NOT NULL,
  expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tickets_user ON tickets(user);
CREATE INDEX tickets_expires ON tickets(expires);
CREATE TABLE trusted_devices(
  id BLOB NOT NULL PRIMARY KEY,
  user BLOB NOT NULL,
  token_hash BLOB NOT NULL UNIQUE,
  device TEXT NOT NULL,
  address TEXT NOT NULL,
  created INTEGER NOT NULL,
  used INTEGER NOT NULL,
  expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX trusted_devices_user ON trusted_devices(user);
-- What was proved when a session began, when a factor was last shown in it (0: not yet), and where it is.
ALTER TABLE t_sessions ADD COLUMN factors TEXT NOT NULL DEFAULT 'password';
ALTER TABLE t_sessions ADD COLUMN stepped_up INTEGER NOT NULL DEFAULT 0;
ALTER TABLE t_sessions ADD COLUMN network TEXT NOT NULL DEFAULT '';
ALTER TABLE t_sessions ADD COLUMN place TEXT NOT NULL DEFAULT '';
