-- keeps: 100
-- Second factors of people, recovery codes, steps that were begun and wait to be finished, devices that are trusted.
-- `details` of a device holds what it calls itself and its address.
CREATE TABLE factors(
  id bytea PRIMARY KEY,
  "user" bytea NOT NULL,
  kind text NOT NULL,
  name bytea NOT NULL,
  secret bytea NOT NULL,
  handle bytea UNIQUE,
  counter bigint NOT NULL,
  created bigint NOT NULL,
  used bigint
);
CREATE INDEX factors_user ON factors("user");
CREATE TABLE recovery_codes(
  "user" bytea NOT NULL,
  code_hash bytea NOT NULL,
  created bigint NOT NULL,
  PRIMARY KEY ("user", code_hash)
);
CREATE TABLE tickets(
  token_hash bytea PRIMARY KEY,
  kind text NOT NULL,
  "user" bytea,
  facts bytea NOT NULL,
  tries integer NOT NULL,
  expires bigint NOT NULL
);
CREATE INDEX tickets_user ON tickets("user");
CREATE INDEX tickets_expires ON tickets(expires);
CREATE TABLE trusted_devices(
  id bytea PRIMARY KEY,
  "user" bytea NOT NULL,
  token_hash bytea NOT NULL UNIQUE,
  details bytea NOT NULL,
  created bigint NOT NULL,
  used bigint NOT NULL,
  expires bigint NOT NULL
);
CREATE INDEX trusted_devices_user ON trusted_devices("user");
-- What was proved when a session began, when a factor was last shown in it (0: not yet), and where it is: `origin`
-- holds network and place.
ALTER TABLE sessions ADD COLUMN factors text NOT NULL DEFAULT 'password';
ALTER TABLE sessions ADD COLUMN stepped_up bigint NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN origin bytea;
GRANT SELECT, INSERT, UPDATE, DELETE ON factors, recovery_codes, tickets, trusted_devices TO mailward_system;
