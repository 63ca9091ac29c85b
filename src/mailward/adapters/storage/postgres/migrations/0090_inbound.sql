-- Routes of received mail, the messages, a copy for each route, every attempt to hand one over, and replays.
-- `details` holds domain, pattern, URLs, sealed credentials and choices of a route; facts and answers are sealed too.
CREATE TABLE inbound_routes(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  details bytea NOT NULL,
  enabled smallint NOT NULL,
  created bigint NOT NULL,
  disabled_at bigint,
  failing_since bigint,
  owner_told text NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX inbound_routes_untold ON inbound_routes(disabled_at) WHERE owner_told = 'due';
CREATE TABLE inbound_secrets(
  workspace bytea NOT NULL,
  route bytea NOT NULL,
  created bigint NOT NULL,
  sealed bytea NOT NULL,
  expires bigint,
  PRIMARY KEY (workspace, route, created)
);
CREATE TABLE received(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  at bigint NOT NULL,
  segment bigint,
  seg_offset bigint,
  seg_length bigint,
  facts bytea NOT NULL,
  reason bytea NOT NULL,
  content_gone bigint,
  PRIMARY KEY (workspace, id)
);
ALTER TABLE received ALTER COLUMN facts SET STORAGE EXTERNAL;
-- What still keeps a day's data key, and an object of the bucket.
CREATE INDEX received_content ON received(workspace, id) WHERE segment IS NOT NULL;
CREATE INDEX received_segment ON received(segment) WHERE segment IS NOT NULL;
-- Like a delivery's, the lease of a copy is a due time moved into the future.
CREATE TABLE received_copies(
  workspace bytea NOT NULL,
  route bytea NOT NULL,
  received bytea NOT NULL,
  state smallint NOT NULL,
  attempts integer NOT NULL,
  due bigint,
  replay bytea,
  PRIMARY KEY (workspace, route, received)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX received_copies_of ON received_copies(workspace, received);
CREATE INDEX received_copies_state ON received_copies(workspace, state, received) WHERE state <> 1;
CREATE INDEX received_copies_due ON received_copies(due) WHERE due IS NOT NULL;
CREATE INDEX received_copies_open ON received_copies(workspace, route, due) WHERE due IS NOT NULL;
CREATE INDEX received_copies_replay ON received_copies(workspace, route, replay) WHERE replay IS NOT NULL;
CREATE TABLE received_attempts(
  workspace bytea NOT NULL,
  received bytea NOT NULL,
  id bytea NOT NULL,
  route bytea NOT NULL,
  at bigint NOT NULL,
  number integer NOT NULL,
  outcome text NOT NULL,
  status integer NOT NULL,
  elapsed_ms integer NOT NULL,
  response bytea NOT NULL,
  next_due bigint NOT NULL,
  PRIMARY KEY (workspace, received, id)
);
CREATE TABLE inbound_replays(
  workspace bytea NOT NULL,
  route bytea NOT NULL,
  id bytea NOT NULL,
  since bigint NOT NULL,
  until bigint NOT NULL,
  only_failed smallint NOT NULL,
  total integer NOT NULL,
  more smallint NOT NULL,
  PRIMARY KEY (workspace, route, id)
);
CALL raise_wall('inbound_routes', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE');
CALL raise_wall('inbound_secrets', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT');
CALL raise_wall('received', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT');
CALL raise_wall('received_copies', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE');
CALL raise_wall('received_attempts', 'SELECT, INSERT, DELETE', 'SELECT, INSERT');
CALL raise_wall('inbound_replays', 'SELECT, INSERT, DELETE', 'SELECT, INSERT');
