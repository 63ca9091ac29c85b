-- What stands before a sign-in: tries, an account's own places, solved challenges, sign-ins, mailed links, what was
-- observed, and alerts. Accounts, sources, places and subjects are keyed digests; times are microseconds UTC.
CREATE TABLE guard_buckets(
  name TEXT NOT NULL,
  token BLOB NOT NULL,
  tries INTEGER NOT NULL,
  until INTEGER NOT NULL,
  tat INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (name, token)
) WITHOUT ROWID;
CREATE INDEX guard_buckets_at ON guard_buckets(at);
CREATE TABLE known_places(
  account BLOB NOT NULL,
  place BLOB NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (account, place)
) WITHOUT ROWID;
CREATE INDEX known_places_at ON known_places(at);
CREATE TABLE spent_challenges(
  token BLOB PRIMARY KEY,
  expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX spent_challenges_expires ON spent_challenges(expires);
CREATE TABLE sign_ins(
  user BLOB NOT NULL,
  id BLOB NOT NULL,
  at INTEGER NOT NULL,
  level INTEGER NOT NULL,
  began INTEGER NOT NULL,
  details BLOB NOT NULL,
  PRIMARY KEY (user, id)
) WITHOUT ROWID;
CREATE INDEX sign_ins_at ON sign_ins(at);
CREATE TABLE sign_in_links(
  token_hash BLOB PRIMARY KEY,
  kind TEXT NOT NULL,
  user BLOB NOT NULL,
  expires INTEGER NOT NULL,
  used INTEGER,
  details BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX sign_in_links_expires ON sign_in_links(expires);
CREATE TABLE observations(
  kind TEXT NOT NULL,
  subject BLOB NOT NULL,
  slot INTEGER NOT NULL,
  item BLOB NOT NULL,
  count INTEGER NOT NULL,
  name BLOB NOT NULL,
  owner BLOB NOT NULL,
  PRIMARY KEY (kind, subject, slot, item)
) WITHOUT ROWID;
CREATE INDEX observations_slot ON observations(slot);
-- An alert on the installation itself has zeros for a workspace.
CREATE TABLE t_alerts(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  at INTEGER NOT NULL,
  rule TEXT NOT NULL,
  severity TEXT NOT NULL,
  subject BLOB NOT NULL,
  details BLOB NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX t_alerts_subject ON t_alerts(subject, rule, at);
CREATE INDEX t_alerts_id ON t_alerts(id);
