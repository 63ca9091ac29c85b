-- The search's index in runs: each holds the tokens of messages that follow each other by id. A token's place is found
-- within its run, so that writing touches a few pages however much is stored. What was indexed is indexed anew by upkeep;
-- until then searches read the messages themselves.
DROP TABLE t_search;
CREATE TABLE t_search(
  workspace BLOB NOT NULL,
  run INTEGER NOT NULL,
  token BLOB NOT NULL,
  message BLOB NOT NULL,
  PRIMARY KEY (workspace, run, token, message)
) WITHOUT ROWID;
-- `first`: the oldest message of a run; the next run's is newer than all of it. `rows`: as many as were written.
CREATE TABLE t_search_runs(
  workspace BLOB NOT NULL,
  run INTEGER NOT NULL,
  first BLOB NOT NULL,
  rows INTEGER NOT NULL,
  PRIMARY KEY (workspace, run)
) WITHOUT ROWID;
DELETE FROM t_search_progress;
