-- What the server's own connections keep, system scope only.

-- The last transaction each connection committed. When the answer to a COMMIT is lost, this row tells whether it took
-- place; it stands whichever server has become the primary meanwhile, which a transaction's number would not.
CREATE TABLE commit_marks(
  connection bytea PRIMARY KEY,
  sequence bigint NOT NULL,
  at bigint NOT NULL
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON commit_marks TO mailward_system;

-- Each process that writes bodies takes a number of its own, so that no two name an object alike.
CREATE SEQUENCE body_writers AS bigint MINVALUE 1 MAXVALUE 2097151 CYCLE;
GRANT USAGE ON SEQUENCE body_writers TO mailward_system;
