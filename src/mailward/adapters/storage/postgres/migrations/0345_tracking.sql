-- keeps: 260
-- What a workspace wants tracked: scope '' for itself, 's:' a stream, 'd:' a domain by its id. Without a row: nothing.
CREATE TABLE tracking_modes(
  workspace bytea NOT NULL,
  scope text COLLATE "C" NOT NULL,
  mode text NOT NULL,
  PRIMARY KEY (workspace, scope)
);
-- Recipients who do not want to be tracked. The token is the keyed hash that the suppression list knows them by.
CREATE TABLE tracking_opt_outs(
  workspace bytea NOT NULL,
  token bytea NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (workspace, token)
);
CALL raise_wall('tracking_modes', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT');
CALL raise_wall('tracking_opt_outs', 'SELECT, INSERT, DELETE', 'SELECT, INSERT');
