-- keeps: 100
-- What happened, by the hour (hours since 1970), with a row for each connection as in `usage`. After 90 days an hour
-- becomes part of its day in `usage`.
CREATE TABLE hours(
  workspace bytea NOT NULL,
  hour integer NOT NULL,
  what text NOT NULL,
  shard integer NOT NULL,
  count bigint NOT NULL,
  PRIMARY KEY (workspace, hour, what, shard)
) WITH (fillfactor = 60);
-- Requests to the API, for seven days: no address, no content, no path. `id` begins with the time in microseconds.
CREATE TABLE requests(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  method text NOT NULL,
  operation text NOT NULL,
  status smallint NOT NULL,
  us bigint NOT NULL,
  actor text NOT NULL,
  PRIMARY KEY (workspace, id)
);
CALL raise_wall('hours', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT, UPDATE, DELETE');
CALL raise_wall('requests', 'SELECT, DELETE', 'SELECT, INSERT, DELETE');
