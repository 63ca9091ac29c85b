-- Every message up to and including `content_upto` has let go of its content, or waits below because a copy is open.
CREATE TABLE retention(
  workspace bytea PRIMARY KEY,
  content_upto bytea NOT NULL
);
CREATE TABLE content_waiting(
  workspace bytea NOT NULL,
  message bytea NOT NULL,
  PRIMARY KEY (workspace, message)
);
-- Bodies of erased messages whose octets are still to be overwritten. A row goes when that is done.
CREATE TABLE erasures(
  workspace bytea NOT NULL,
  message bytea NOT NULL,
  segment bigint NOT NULL,
  seg_offset bigint NOT NULL,
  seg_length bigint NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (workspace, message)
);
CALL raise_wall('retention', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE');
CALL raise_wall('content_waiting', 'SELECT, INSERT, DELETE', 'SELECT, INSERT, DELETE');
CALL raise_wall('erasures', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT');
