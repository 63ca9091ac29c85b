-- keeps: 260
-- Connections at once that workers have drawn from what all nodes share of a source's limit, by a keyed hash of the
-- source. A row counts as long as its worker beats. Not logged: it changes as often as connections do.
CREATE UNLOGGED TABLE connection_seats(
  key text NOT NULL,
  worker bigint NOT NULL,
  seats integer NOT NULL,
  PRIMARY KEY (key, worker)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON connection_seats TO mailward_system;
