-- keeps: 260
-- Received mail is to be kept by days, like messages. What is there already stays where it lies: its tables become one
-- partition for every day before a bound, a week from now. This step promises that bound for what is still written,
-- the next one proves it for what is there without keeping anybody waiting, and the third then needs no look at a row.

-- Days of received mail before this one share a partition. No row when all days have their own.
CREATE TABLE received_days_from(day integer PRIMARY KEY);
GRANT SELECT ON received_days_from TO mailward_system;

DO $$
DECLARE
  day integer := extract(epoch FROM now())::bigint / 86400 + 8;
BEGIN
  -- The owner sees no row behind the wall; a table that was never written to is as long as nothing.
  IF pg_relation_size('received') > 0 THEN
    INSERT INTO received_days_from(day) VALUES (day);
    EXECUTE format('ALTER TABLE received ADD CONSTRAINT of_earlier_days CHECK (id < %L) NOT VALID', first_id(day));
    EXECUTE format('ALTER TABLE received_copies ADD CONSTRAINT of_earlier_days CHECK (received < %L) NOT VALID',
      first_id(day));
    EXECUTE format('ALTER TABLE received_attempts ADD CONSTRAINT of_earlier_days CHECK (received < %L) NOT VALID',
      first_id(day));
  END IF;
END
$$;
