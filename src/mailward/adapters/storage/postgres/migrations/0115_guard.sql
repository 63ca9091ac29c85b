-- keeps: 100
-- What stands before a sign-in: tries, an account's own places, solved challenges, sign-ins, mailed links, what was
-- observed, and alerts. Accounts, sources, places and subjects are keyed digests; `details` and `name` are sealed.

-- Not logged: after a crash or a promotion nothing is locked, which costs an attacker's hundred tries once and saves a
-- sync for each try.
CREATE UNLOGGED TABLE guard_buckets(
  name text NOT NULL,
  token bytea NOT NULL,
  tries integer NOT NULL,
  until bigint NOT NULL,
  tat bigint NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (name, token)
) WITH (fillfactor = 50);
CREATE INDEX guard_buckets_at ON guard_buckets(at);
CREATE TABLE known_places(
  account bytea NOT NULL,
  place bytea NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (account, place)
);
CREATE INDEX known_places_at ON known_places(at);
CREATE TABLE spent_challenges(
  token bytea PRIMARY KEY,
  expires bigint NOT NULL
);
CREATE INDEX spent_challenges_expires ON spent_challenges(expires);
CREATE TABLE sign_ins(
  "user" bytea NOT NULL,
  id bytea NOT NULL,
  at bigint NOT NULL,
  level smallint NOT NULL,
  began smallint NOT NULL,
  details bytea NOT NULL,
  PRIMARY KEY ("user", id)
);
CREATE INDEX sign_ins_at ON sign_ins(at);
CREATE TABLE sign_in_links(
  token_hash bytea PRIMARY KEY,
  kind text NOT NULL,
  "user" bytea NOT NULL,
  expires bigint NOT NULL,
  used bigint,
  details bytea NOT NULL
);
CREATE INDEX sign_in_links_expires ON sign_in_links(expires);
CREATE TABLE observations(
  kind text NOT NULL,
  subject bytea NOT NULL,
  slot bigint NOT NULL,
  item bytea NOT NULL,
  count bigint NOT NULL,
  name bytea NOT NULL,
  owner bytea NOT NULL,
  PRIMARY KEY (kind, subject, slot, item)
);
CREATE INDEX observations_slot ON observations(slot);
-- An alert on the installation itself has zeros for a workspace.
CREATE TABLE alerts(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  at bigint NOT NULL,
  rule text NOT NULL,
  severity text NOT NULL,
  subject bytea NOT NULL,
  details bytea NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX alerts_subject ON alerts(subject, rule, at);
CREATE INDEX alerts_id ON alerts(id);
CALL raise_wall('alerts', 'SELECT', 'SELECT, INSERT, DELETE');
GRANT SELECT, INSERT, UPDATE, DELETE ON guard_buckets, known_places, spent_challenges, sign_ins, sign_in_links,
  observations TO mailward_system;
