-- keeps: 260
-- What is received gets a partition for each day, made and dropped with those of messages. The version before reads and
-- writes through the same names, and its upkeep makes the days.
LOCK TABLE received, received_copies, received_attempts IN ACCESS EXCLUSIVE MODE;
ALTER TABLE received RENAME TO received_earlier;
ALTER TABLE received_copies RENAME TO received_copies_earlier;
ALTER TABLE received_attempts RENAME TO received_attempts_earlier;
ALTER INDEX received_pkey RENAME TO received_earlier_pkey;
ALTER INDEX received_content RENAME TO received_earlier_content;
ALTER INDEX received_segment RENAME TO received_earlier_segment;
ALTER INDEX received_copies_pkey RENAME TO received_copies_earlier_pkey;
ALTER INDEX received_copies_of RENAME TO received_copies_earlier_of;
ALTER INDEX received_copies_state RENAME TO received_copies_earlier_state;
ALTER INDEX received_copies_due RENAME TO received_copies_earlier_due;
ALTER INDEX received_copies_open RENAME TO received_copies_earlier_open;
ALTER INDEX received_copies_replay RENAME TO received_copies_earlier_replay;
ALTER INDEX received_copies_lessee RENAME TO received_copies_earlier_lessee;
ALTER INDEX received_attempts_pkey RENAME TO received_attempts_earlier_pkey;

CREATE TABLE received(LIKE received_earlier INCLUDING DEFAULTS INCLUDING STORAGE, PRIMARY KEY (workspace, id))
  PARTITION BY RANGE (id);
CREATE INDEX received_content ON received(workspace, id) WHERE segment IS NOT NULL;
CREATE INDEX received_segment ON received(segment) WHERE segment IS NOT NULL;
CREATE TABLE received_copies(LIKE received_copies_earlier INCLUDING DEFAULTS INCLUDING STORAGE,
  PRIMARY KEY (workspace, route, received)) PARTITION BY RANGE (received);
CREATE INDEX received_copies_of ON received_copies(workspace, received);
CREATE INDEX received_copies_state ON received_copies(workspace, state, received) WHERE state <> 1;
CREATE INDEX received_copies_due ON received_copies(due) WHERE due IS NOT NULL;
CREATE INDEX received_copies_open ON received_copies(workspace, route, due) WHERE due IS NOT NULL;
CREATE INDEX received_copies_replay ON received_copies(workspace, route, replay) WHERE replay IS NOT NULL;
CREATE INDEX received_copies_lessee ON received_copies(lessee) WHERE lessee <> 0;
CREATE TABLE received_attempts(LIKE received_attempts_earlier INCLUDING DEFAULTS INCLUDING STORAGE,
  PRIMARY KEY (workspace, received, id)) PARTITION BY RANGE (received);
CALL raise_wall('received', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT');
CALL raise_wall('received_copies', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE');
CALL raise_wall('received_attempts', 'SELECT, INSERT, DELETE', 'SELECT, INSERT');

-- Operators' personal logins (`mailward_reader`, made when the first one is granted) go on reading through the new names.
DO $$
DECLARE
  parent text;
BEGIN
  FOREACH parent IN ARRAY ARRAY['received', 'received_copies', 'received_attempts'] LOOP
    IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = to_regclass(parent || '_earlier') AND p.polname = 'reader') THEN
      EXECUTE format('REVOKE ALL ON %I FROM mailward_reader', parent || '_earlier');
      EXECUTE format('DROP POLICY reader ON %I', parent || '_earlier');
      EXECUTE format('GRANT SELECT ON %I TO mailward_reader', parent);
      EXECUTE format('CREATE POLICY reader ON %I FOR SELECT TO mailward_reader '
        'USING (workspace = mailward.reader_workspace())', parent);
    END IF;
  END LOOP;
END
$$;

-- Make the partitions of a day, as before, now with those of received mail.
CREATE OR REPLACE FUNCTION make_day(wanted integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = mailward, pg_temp AS $$
DECLARE
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
  PERFORM make_parts(wanted, ARRAY['messages', 'deliveries', 'attempts', 'timeline', 'search']);
  IF NOT EXISTS (SELECT FROM received_days_from f WHERE f.day > wanted) THEN
    PERFORM make_parts(wanted, ARRAY['received', 'received_copies', 'received_attempts']);
  END IF;
  RETURN false;
END
$$;

-- A partition of a day for each of these tables. For make_day, with its rights.
CREATE FUNCTION make_parts(wanted integer, parents text[]) RETURNS void LANGUAGE plpgsql
  SET search_path = mailward, pg_temp AS $$
DECLARE
  parent text;
  part text;
BEGIN
  FOREACH parent IN ARRAY parents LOOP
    part := parent || '_' || to_char(date '1970-01-01' + wanted, 'YYYYMMDD');
    -- Attaching locks the parent less than CREATE TABLE ... PARTITION OF would: mail goes on meanwhile.
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', part, parent);
    -- Nobody is granted anything on a partition; should it ever be, it shows nothing by itself.
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
    IF parent = 'received_copies' THEN
      -- A copy is written anew with each attempt.
      EXECUTE format('ALTER TABLE %I SET (autovacuum_vacuum_scale_factor = 0.05)', part);
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      parent, part, first_id(wanted), first_id(wanted + 1));
  END LOOP;
END
$$;

-- Drop a day with all its mail. False, and nothing dropped, when a delivery of that day is still open or a copy of
-- received mail still waits. The caller knows that no workspace keeps mail that long. Gives up after a second rather
-- than keep mail waiting for the lock. Looks with the caller's rights, the system's: the owner sees no row.
CREATE OR REPLACE FUNCTION drop_day(wanted integer) RETURNS boolean LANGUAGE plpgsql SECURITY INVOKER
  SET search_path = mailward, pg_temp AS $$
DECLARE
  -- What was received before days were kept apart goes with the last day that it may be of.
  earlier integer := (SELECT f.day FROM received_days_from f WHERE f.day <= wanted + 1);
BEGIN
  IF NOT hold_day(wanted) THEN
    RETURN true;
  END IF;
  IF EXISTS (SELECT FROM open_deliveries WHERE message >= first_id(wanted) AND message < first_id(wanted + 1))
    OR EXISTS (SELECT FROM received_copies WHERE due IS NOT NULL AND received < first_id(wanted + 1)
      AND received >= CASE WHEN earlier IS NULL THEN first_id(wanted) ELSE '' END)
  THEN
    RETURN false;
  END IF;
  PERFORM remove_day(wanted);
  RETURN true;
END
$$;

-- First the lock, then the look: whoever closes a delivery of that day has ended, or waits and will find no row. False
-- when there is no such day.
CREATE FUNCTION hold_day(wanted integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = mailward, pg_temp SET lock_timeout = '1s' AS $$
BEGIN
  IF wanted >= extract(epoch FROM now())::bigint / 86400 THEN
    RAISE EXCEPTION 'day % is not over', wanted;
  END IF;
  IF NOT EXISTS (SELECT FROM partition_days d WHERE d.day = wanted) THEN
    RETURN false;
  END IF;
  LOCK TABLE messages, deliveries, attempts, timeline, search, received, received_copies, received_attempts
    IN ACCESS EXCLUSIVE MODE;
  RETURN true;
END
$$;

-- The second half of drop_day, which has looked; the locks are held.
CREATE FUNCTION remove_day(wanted integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = mailward, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
  parent text;
BEGIN
  IF wanted >= extract(epoch FROM now())::bigint / 86400 THEN
    RAISE EXCEPTION 'day % is not over', wanted;
  END IF;
  FOREACH parent IN ARRAY ARRAY['messages', 'deliveries', 'attempts', 'timeline', 'search',
    'received', 'received_copies', 'received_attempts'] LOOP
    EXECUTE format('DROP TABLE IF EXISTS %I', parent || '_' || to_char(date '1970-01-01' + wanted, 'YYYYMMDD'));
  END LOOP;
  IF EXISTS (SELECT FROM received_days_from f WHERE f.day <= wanted + 1) THEN
    DROP TABLE received_earlier, received_copies_earlier, received_attempts_earlier;
    DELETE FROM received_days_from;
  END IF;
  DELETE FROM partition_days d WHERE d.day = wanted;
END
$$;
REVOKE ALL ON FUNCTION make_parts, hold_day, remove_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_day, remove_day TO mailward_system;

-- The tables from before: away when nothing was ever written to them, else one partition of all earlier days.
DO $$
DECLARE
  today integer := extract(epoch FROM now())::bigint / 86400;
  earlier text;
  parent text;
  first integer;
BEGIN
  IF pg_relation_size('received_earlier') = 0 THEN
    DELETE FROM received_days_from;
    DROP TABLE received_earlier, received_copies_earlier, received_attempts_earlier;
  ELSE
    INSERT INTO received_days_from(day) SELECT today + 8 WHERE NOT EXISTS (SELECT FROM received_days_from);
    FOREACH parent IN ARRAY ARRAY['received', 'received_copies', 'received_attempts'] LOOP
      earlier := parent || '_earlier';
      EXECUTE format('REVOKE ALL ON %I FROM mailward_tenant, mailward_system', earlier);
      EXECUTE format('DROP POLICY tenant ON %I', earlier);
      EXECUTE format('DROP POLICY system ON %I', earlier);
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)',
        parent, earlier, first_id((SELECT day FROM received_days_from)));
    END LOOP;
  END IF;
  first := coalesce((SELECT day FROM received_days_from), 0);
  PERFORM make_parts(day, ARRAY['received', 'received_copies', 'received_attempts'])
    FROM partition_days WHERE day >= first ORDER BY day;
END
$$;
