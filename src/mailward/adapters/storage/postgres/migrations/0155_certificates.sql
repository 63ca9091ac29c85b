-- keeps: 100
-- Certificates of the installation; `sealed` (chain and key) is sealed with a key of the installation.
CREATE TABLE certificates(
  serial text COLLATE "C" PRIMARY KEY,
  names text NOT NULL,
  issued bigint NOT NULL,
  expires bigint NOT NULL,
  sealed bytea NOT NULL
);
-- What nodes share while one of them orders: who does, answers to challenges, how it stands, the account (sealed).
CREATE TABLE certificate_notes(
  name text COLLATE "C" PRIMARY KEY,
  body bytea NOT NULL,
  until bigint NOT NULL
);
GRANT SELECT, INSERT, DELETE ON certificates TO mailward_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON certificate_notes TO mailward_system;
