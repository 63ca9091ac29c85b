-- Certificates of the installation; `sealed` (chain and key) is sealed with a key of the installation.
CREATE TABLE certificates(
  serial TEXT PRIMARY KEY,
  names TEXT NOT NULL,
  issued INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  sealed BLOB NOT NULL
) WITHOUT ROWID;
-- What nodes share while one of them orders: who does, answers to challenges, how it stands, the account (sealed).
CREATE TABLE certificate_notes(
  name TEXT PRIMARY KEY,
  body BLOB NOT NULL,
  until INTEGER NOT NULL
) WITHOUT ROWID;
