-- What happened, by the hour (hours since 1970): counted in the transaction in which it happened. After 90 days an hour
-- becomes part of its day in `usage`.
CREATE TABLE t_hours(
  workspace BLOB NOT NULL,
  hour INTEGER NOT NULL,
  what TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (workspace, hour, what)
) WITHOUT ROWID;
-- Requests to the API, for seven days: no address, no content, no path. `id` begins with the time in microseconds.
CREATE TABLE t_requests(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  method TEXT NOT NULL,
  operation TEXT NOT NULL,
  status INTEGER NOT NULL,
  us INTEGER NOT NULL,
  actor TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
