-- Backups of this installation, and what came of restoring one to try it. Times in microseconds UTC.
CREATE TABLE backups(
  id BLOB PRIMARY KEY,
  at INTEGER NOT NULL,
  row_count INTEGER NOT NULL,
  size INTEGER NOT NULL,
  written INTEGER NOT NULL,
  took INTEGER NOT NULL,
  key_versions TEXT NOT NULL,
  gone INTEGER
) WITHOUT ROWID;
CREATE TABLE restore_tests(
  id BLOB PRIMARY KEY,
  at INTEGER NOT NULL,
  body BLOB NOT NULL
) WITHOUT ROWID;
