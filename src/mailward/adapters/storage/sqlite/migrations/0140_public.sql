-- What the public pages tell: results of checks, availability, reports of weaknesses, registers. Of the installation.
CREATE TABLE evidence_results(
  control TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  state TEXT NOT NULL,
  body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE evidence_changes(
  id BLOB PRIMARY KEY,
  control TEXT NOT NULL,
  at INTEGER NOT NULL,
  state TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE evidence_runs(
  id BLOB PRIMARY KEY,
  at INTEGER NOT NULL,
  cause TEXT NOT NULL,
  summary BLOB NOT NULL
) WITHOUT ROWID;
-- A day counts the minutes that were measured, and of them those in which all, and each, answered.
CREATE TABLE availability_days(
  day INTEGER PRIMARY KEY,
  measured INTEGER NOT NULL,
  good INTEGER NOT NULL,
  api INTEGER NOT NULL,
  submission INTEGER NOT NULL,
  mx INTEGER NOT NULL,
  last INTEGER NOT NULL
);
-- Minutes [began, until) in which `services` did not answer.
CREATE TABLE availability_outages(
  began INTEGER PRIMARY KEY,
  until INTEGER NOT NULL,
  services TEXT NOT NULL
);
CREATE TABLE availability_posts(
  id BLOB PRIMARY KEY,
  at INTEGER NOT NULL,
  ended INTEGER,
  body BLOB NOT NULL
) WITHOUT ROWID;
-- `content` is sealed with a key of the installation before it comes here.
CREATE TABLE disclosure_reports(
  id BLOB PRIMARY KEY,
  token_hash BLOB NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  due INTEGER NOT NULL,
  state TEXT NOT NULL,
  acknowledged INTEGER,
  updated INTEGER NOT NULL,
  alerted TEXT NOT NULL,
  content BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX disclosure_reports_waiting ON disclosure_reports(due) WHERE acknowledged IS NULL;
CREATE TABLE register_entries(
  id BLOB PRIMARY KEY,
  kind TEXT NOT NULL,
  changed INTEGER NOT NULL,
  body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX register_entries_kind ON register_entries(kind, id);
CREATE TABLE t_register_followers(
  workspace BLOB PRIMARY KEY,
  since INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE t_register_notices(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  at INTEGER NOT NULL,
  body BLOB NOT NULL,
  told TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX t_register_notices_due ON t_register_notices(id) WHERE told = 'due';
-- `body` (who signed) is sealed before it comes here; `hash` is that of the text that was signed.
CREATE TABLE t_agreement_signings(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  at INTEGER NOT NULL,
  hash BLOB NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
