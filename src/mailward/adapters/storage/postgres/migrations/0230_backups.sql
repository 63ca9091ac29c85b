-- keeps: 100
-- Backups of this installation, and what came of restoring one to try it. Times in microseconds UTC.
CREATE TABLE backups(
  id bytea PRIMARY KEY,
  at bigint NOT NULL,
  row_count bigint NOT NULL,
  size bigint NOT NULL,
  written bigint NOT NULL,
  took bigint NOT NULL,
  key_versions text NOT NULL,
  gone bigint
);
CREATE TABLE restore_tests(
  id bytea PRIMARY KEY,
  at bigint NOT NULL,
  body bytea NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON backups TO mailward_system;
GRANT SELECT, INSERT, DELETE ON restore_tests TO mailward_system;
