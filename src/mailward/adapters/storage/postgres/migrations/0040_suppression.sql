-- Addresses nothing is sent to. The token is a keyed hash of the address in its compared form; stream '' is every stream.
CREATE TABLE suppressions(
  workspace bytea NOT NULL,
  token bytea NOT NULL,
  stream text NOT NULL,
  id bytea NOT NULL,
  address bytea NOT NULL,
  reason text NOT NULL,
  source text NOT NULL,
  created bigint NOT NULL,
  PRIMARY KEY (workspace, token, stream)
);
CREATE UNIQUE INDEX suppressions_id ON suppressions(workspace, id);
CALL raise_wall('suppressions', 'SELECT, INSERT, DELETE', 'SELECT, INSERT');
