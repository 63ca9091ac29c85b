-- keeps: 80
-- Moving house: how far a move into this database has come, and what a move out of it needs.
CREATE TABLE moves(
  step text PRIMARY KEY,
  value bytea NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON moves TO mailward_system;
-- The embedded store finds these by themselves, not by their tokens. Null in rows from before this migration.
ALTER TABLE idempotency ADD COLUMN sealed_key bytea;
ALTER TABLE dkim_selectors ADD COLUMN name bytea;
