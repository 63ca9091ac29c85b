-- Messages, their deliveries and attempts: the path every message takes. Rows are few and small on purpose.
-- Columns are those of the embedded store; what is personal is ciphertext (bytea), with a keyed token where it is found.

-- The workspace this transaction is bound to: null when it is bound to none, and null is equal to nothing.
CREATE FUNCTION bound_workspace() RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
  RETURN pg_catalog.decode(nullif(pg_catalog.current_setting('mailward.workspace', true), ''), 'hex');

-- Raise the wall around a table with an owner column. A workspace's transaction does to its own rows what `tenant`
-- lists, the system's does `system` to all. FORCE binds the table's owner as well, who has no policy and sees nothing.
CREATE PROCEDURE raise_wall(owned regclass, tenant text, system text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', owned);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', owned);
  EXECUTE format('CREATE POLICY tenant ON %s TO mailward_tenant '
    'USING (workspace = bound_workspace()) WITH CHECK (workspace = bound_workspace())', owned);
  EXECUTE format('CREATE POLICY system ON %s TO mailward_system USING (true) WITH CHECK (true)', owned);
  IF tenant <> '' THEN
    EXECUTE format('GRANT %s ON %s TO mailward_tenant', tenant, owned);
  END IF;
  EXECUTE format('GRANT %s ON %s TO mailward_system', system, owned);
END
$$;
REVOKE ALL ON PROCEDURE raise_wall FROM PUBLIC;
REVOKE ALL ON FUNCTION bound_workspace FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bound_workspace TO mailward_tenant, mailward_system;
GRANT USAGE ON SCHEMA mailward TO mailward_tenant, mailward_system;

CREATE TABLE counters(name text PRIMARY KEY, value bigint NOT NULL);
CREATE TABLE worker_slots(slot bigint PRIMARY KEY, generation bigint NOT NULL, started bigint NOT NULL);
GRANT SELECT, INSERT, UPDATE ON counters TO mailward_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON worker_slots TO mailward_system;

-- Tables that grow by the message are partitioned by the day in the first 48 bits of the message's id, which are
-- milliseconds: a look-up by id reads one partition, and retention drops a day as a whole.
CREATE TABLE messages(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  created bigint NOT NULL,
  segment bigint,
  seg_offset bigint,
  seg_length bigint,
  facts bytea NOT NULL,
  content_gone bigint,
  PRIMARY KEY (workspace, id)
) PARTITION BY RANGE (id);
-- Deliveries that are still to be done, of every day: the queue. A row moves to `deliveries` when its state is final,
-- so that leasing reads a table as large as the queue, and not as large as the past.
CREATE TABLE open_deliveries(
  workspace bytea NOT NULL,
  message bytea NOT NULL,
  n integer NOT NULL,
  recipient bytea NOT NULL,
  state smallint NOT NULL CHECK (state < 3),
  due bigint NOT NULL,
  lessee bigint NOT NULL,
  attempts integer NOT NULL,
  updated bigint NOT NULL,
  reason bytea,
  PRIMARY KEY (workspace, message, n)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
-- One index serves due work and expired leases alike: a lease is a due time moved into the future.
CREATE INDEX open_deliveries_due ON open_deliveries(workspace, due) WHERE state < 2;
CREATE INDEX open_deliveries_held ON open_deliveries(workspace, message) WHERE state = 2;
CREATE TABLE deliveries(
  workspace bytea NOT NULL,
  message bytea NOT NULL,
  n integer NOT NULL,
  recipient bytea NOT NULL,
  state smallint NOT NULL CHECK (state > 2),
  due bigint NOT NULL,
  lessee bigint NOT NULL,
  attempts integer NOT NULL,
  updated bigint NOT NULL,
  reason bytea,
  PRIMARY KEY (workspace, message, n)
) PARTITION BY RANGE (message);
CREATE TABLE attempts(
  workspace bytea NOT NULL,
  message bytea NOT NULL,
  n integer NOT NULL,
  attempt integer NOT NULL,
  at bigint NOT NULL,
  facts bytea NOT NULL,
  PRIMARY KEY (workspace, message, n, attempt)
) PARTITION BY RANGE (message);
CREATE TABLE timeline(
  workspace bytea NOT NULL,
  message bytea NOT NULL,
  at bigint NOT NULL,
  moment text NOT NULL,
  facts bytea NOT NULL,
  PRIMARY KEY (workspace, message, at, moment)
) PARTITION BY RANGE (message);
-- Keyed word tokens for search, written by upkeep shortly after the commit.
CREATE TABLE search(
  workspace bytea NOT NULL,
  token bytea NOT NULL,
  message bytea NOT NULL,
  PRIMARY KEY (workspace, token, message)
) PARTITION BY RANGE (message);
CREATE TABLE search_progress(
  workspace bytea PRIMARY KEY,
  upto bytea NOT NULL
);
-- Ciphertext does not compress: do not try.
ALTER TABLE messages ALTER COLUMN facts SET STORAGE EXTERNAL;
ALTER TABLE attempts ALTER COLUMN facts SET STORAGE EXTERNAL;
ALTER TABLE timeline ALTER COLUMN facts SET STORAGE EXTERNAL;

CREATE TABLE idempotency(
  workspace bytea NOT NULL,
  key bytea NOT NULL,
  expires bigint NOT NULL,
  body bytea NOT NULL,
  answer bytea NOT NULL,
  PRIMARY KEY (workspace, key)
);
CREATE INDEX idempotency_expires ON idempotency(workspace, expires);
-- Streams of a workspace (or "" for all of them) whose new mail is held.
CREATE TABLE pauses(
  workspace bytea NOT NULL,
  stream text NOT NULL,
  at bigint NOT NULL,
  reason bytea NOT NULL,
  PRIMARY KEY (workspace, stream)
);
-- `shard` keeps transactions that count at the same time from waiting for each other: each connection has a row of its
-- own, and the sum is what was counted.
CREATE TABLE usage(
  workspace bytea NOT NULL,
  day integer NOT NULL,
  what text NOT NULL,
  shard integer NOT NULL,
  count bigint NOT NULL,
  PRIMARY KEY (workspace, day, what, shard)
) WITH (fillfactor = 60);

CALL raise_wall('messages', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('open_deliveries', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('deliveries', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('attempts', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, DELETE');
CALL raise_wall('timeline', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, DELETE');
CALL raise_wall('search', 'SELECT, INSERT, DELETE', 'SELECT, INSERT, DELETE');
CALL raise_wall('search_progress', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE');
CALL raise_wall('idempotency', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, DELETE');
CALL raise_wall('pauses', 'SELECT, INSERT, DELETE', 'SELECT, INSERT');
CALL raise_wall('usage', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE');

-- Days that have partitions. There is no default partition: rows in it would have to be moved before their day could
-- get a partition, and every attach and detach would lock it.
CREATE TABLE partition_days(
  day integer PRIMARY KEY,
  made_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);
GRANT SELECT ON partition_days TO mailward_system;

-- The smallest id of a day.
CREATE FUNCTION first_id(day integer) RETURNS bytea LANGUAGE sql IMMUTABLE
  RETURN substring(int8send(day::bigint * 86400000) FROM 3);

-- Make the partitions of a day. True when they are there for good; false when this transaction made them, and its
-- rollback would take them away again. Runs with the owner's rights: the roles of the server cannot create anything.
CREATE FUNCTION make_day(wanted integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = mailward, pg_temp AS $$
DECLARE
  parent text;
  part text;
  lasting boolean;
BEGIN
  SELECT d.made_by IS DISTINCT FROM pg_current_xact_id_if_assigned() INTO lasting
    FROM partition_days d WHERE d.day = wanted;
  IF FOUND THEN
    RETURN lasting;
  END IF;
  IF wanted < 0 OR wanted > 100000 THEN
    RAISE EXCEPTION 'no such day: %', wanted;
  END IF;
  INSERT INTO partition_days(day) VALUES (wanted) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN true;  -- another transaction made it, and we waited for its commit
  END IF;
  FOREACH parent IN ARRAY ARRAY['messages', 'deliveries', 'attempts', 'timeline', 'search'] LOOP
    part := parent || '_' || to_char(date '1970-01-01' + wanted, 'YYYYMMDD');
    -- Attaching locks the parent less than CREATE TABLE ... PARTITION OF would: mail goes on meanwhile.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', part, parent);
    -- Nobody is granted anything on a partition; should it ever be, it shows nothing by itself.
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      parent, part, first_id(wanted), first_id(wanted + 1));
  END LOOP;
  RETURN false;
END
$$;

-- Drop a day with all its messages. False, and nothing dropped, when a delivery of that day is still open. The caller
-- knows that no workspace keeps messages that long. Gives up after a second rather than keep mail waiting for the lock.
CREATE FUNCTION drop_day(wanted integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = mailward, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
  parent text;
BEGIN
  IF wanted >= extract(epoch FROM now())::bigint / 86400 THEN
    RAISE EXCEPTION 'day % is not over', wanted;
  END IF;
  IF NOT EXISTS (SELECT FROM partition_days d WHERE d.day = wanted) THEN
    RETURN true;
  END IF;
  -- First the lock, then the look: whoever closes a delivery of that day has ended, or waits and will find no row.
  LOCK TABLE messages, deliveries, attempts, timeline, search IN ACCESS EXCLUSIVE MODE;
  IF EXISTS (SELECT FROM open_deliveries WHERE message >= first_id(wanted) AND message < first_id(wanted + 1)) THEN
    RETURN false;
  END IF;
  FOREACH parent IN ARRAY ARRAY['messages', 'deliveries', 'attempts', 'timeline', 'search'] LOOP
    EXECUTE format('DROP TABLE %I', parent || '_' || to_char(date '1970-01-01' + wanted, 'YYYYMMDD'));
  END LOOP;
  DELETE FROM partition_days d WHERE d.day = wanted;
  RETURN true;
END
$$;
-- drop_day runs as the owner and has to see that a day has no open delivery left.
CREATE POLICY keeper ON open_deliveries FOR SELECT TO mailward_owner USING (true);
REVOKE ALL ON FUNCTION first_id, make_day, drop_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION first_id TO mailward_system;
GRANT EXECUTE ON FUNCTION make_day TO mailward_tenant, mailward_system;
GRANT EXECUTE ON FUNCTION drop_day TO mailward_system;
