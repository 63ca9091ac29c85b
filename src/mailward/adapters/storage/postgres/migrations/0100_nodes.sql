-- keeps: 80
-- The machines that share this database, and the heartbeats of their workers. System scope only. Times are this
-- server's clock, so that a node whose clock is wrong is taken neither for dead nor for alive.

CREATE TABLE nodes(
  node bigint PRIMARY KEY,
  instance bytea NOT NULL,
  name text NOT NULL,
  zone text NOT NULL,
  version text NOT NULL,
  seen bigint NOT NULL,
  stopped boolean NOT NULL DEFAULT false,
  resting boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON nodes TO mailward_system;

-- Empty for a worker of the version before, which does not beat: its leases end by their own time, as they did.
ALTER TABLE worker_slots ADD COLUMN seen bigint, ADD COLUMN roles text NOT NULL DEFAULT '';

-- Rates that all nodes draw from: when each bucket will be empty again (the theoretical arrival time of GCRA).
-- Not logged: after a crash or a promotion every bucket is full, which costs one quota and saves a sync.
CREATE UNLOGGED TABLE rate_buckets(
  name text NOT NULL,
  key text NOT NULL,
  tat bigint NOT NULL,
  PRIMARY KEY (name, key)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_buckets TO mailward_system;
