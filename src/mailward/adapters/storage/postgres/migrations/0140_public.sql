-- keeps: 100
-- What the public pages tell: results of checks, availability, reports of weaknesses, registers. Of the installation.
CREATE TABLE evidence_results(
  control text PRIMARY KEY,
  at bigint NOT NULL,
  state text NOT NULL,
  body bytea NOT NULL
);
CREATE TABLE evidence_changes(
  id bytea PRIMARY KEY,
  control text NOT NULL,
  at bigint NOT NULL,
  state text NOT NULL
);
CREATE TABLE evidence_runs(
  id bytea PRIMARY KEY,
  at bigint NOT NULL,
  cause text NOT NULL,
  summary bytea NOT NULL
);
-- A day counts the minutes that were measured, and of them those in which all, and each, answered.
CREATE TABLE availability_days(
  day bigint PRIMARY KEY,
  measured bigint NOT NULL,
  good bigint NOT NULL,
  api bigint NOT NULL,
  submission bigint NOT NULL,
  mx bigint NOT NULL,
  last bigint NOT NULL
);
-- Minutes [began, until) in which `services` did not answer.
CREATE TABLE availability_outages(
  began bigint PRIMARY KEY,
  until bigint NOT NULL,
  services text NOT NULL
);
CREATE TABLE availability_posts(
  id bytea PRIMARY KEY,
  at bigint NOT NULL,
  ended bigint,
  body bytea NOT NULL
);
-- `content` is sealed with a key of the installation before it comes here.
CREATE TABLE disclosure_reports(
  id bytea PRIMARY KEY,
  token_hash bytea NOT NULL UNIQUE,
  at bigint NOT NULL,
  due bigint NOT NULL,
  state text NOT NULL,
  acknowledged bigint,
  updated bigint NOT NULL,
  alerted text NOT NULL,
  content bytea NOT NULL
);
CREATE INDEX disclosure_reports_waiting ON disclosure_reports(due) WHERE acknowledged IS NULL;
CREATE TABLE register_entries(
  id bytea PRIMARY KEY,
  kind text NOT NULL,
  changed bigint NOT NULL,
  body bytea NOT NULL
);
CREATE INDEX register_entries_kind ON register_entries(kind, id);
CREATE TABLE register_followers(
  workspace bytea PRIMARY KEY,
  since bigint NOT NULL
);
CREATE TABLE register_notices(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  at bigint NOT NULL,
  body bytea NOT NULL,
  told text NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX register_notices_due ON register_notices(id) WHERE told = 'due';
-- `body` (who signed) is sealed before it comes here; `hash` is that of the text that was signed.
CREATE TABLE agreement_signings(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  at bigint NOT NULL,
  hash bytea NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (workspace, id)
);
GRANT SELECT, INSERT, UPDATE ON evidence_results TO mailward_system;
GRANT SELECT, INSERT, DELETE ON evidence_changes TO mailward_system;
GRANT SELECT, INSERT, DELETE ON evidence_runs TO mailward_system;
GRANT SELECT, INSERT, UPDATE ON availability_days TO mailward_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON availability_outages TO mailward_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON availability_posts TO mailward_system;
GRANT SELECT, INSERT, UPDATE ON disclosure_reports TO mailward_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON register_entries TO mailward_system;
CALL raise_wall('register_followers', 'SELECT, INSERT, DELETE', 'SELECT, INSERT');
CALL raise_wall('register_notices', 'SELECT', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('agreement_signings', 'SELECT, INSERT', 'SELECT, INSERT');
