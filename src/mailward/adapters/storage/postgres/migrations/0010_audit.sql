-- The audit log: leaves, personal facts beside them, nodes of the tree, signed heads. Rows are only ever added
-- (facts may be erased), and the roles of the server are granted no more. The installation's own log is workspace
-- \x00..00.
CREATE TABLE audit(
  workspace bytea NOT NULL,
  seq bigint NOT NULL,
  id bytea NOT NULL,
  at bigint NOT NULL,
  act text NOT NULL,
  leaf bytea NOT NULL,
  PRIMARY KEY (workspace, seq)
);
CREATE INDEX audit_at ON audit(workspace, at);
-- Salt and facts in one sealed value: with the salt in the clear, facts could be guessed from the hash in the leaf.
CREATE TABLE audit_facts(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  facts bytea NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE TABLE audit_nodes(
  workspace bytea NOT NULL,
  level integer NOT NULL,
  idx bigint NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (workspace, level, idx)
);
-- `anchor` is the seq in the installation's log of the leaf that records this head (null for the installation's own).
CREATE TABLE audit_heads(
  workspace bytea NOT NULL,
  size bigint NOT NULL,
  root bytea NOT NULL,
  at bigint NOT NULL,
  note text NOT NULL,
  anchor bigint,
  PRIMARY KEY (workspace, size)
);
CREATE TABLE audit_pending(workspace bytea PRIMARY KEY);
CALL raise_wall('audit', 'SELECT, INSERT', 'SELECT, INSERT');
CALL raise_wall('audit_facts', 'SELECT, INSERT, DELETE', 'SELECT, INSERT, DELETE');
CALL raise_wall('audit_nodes', 'SELECT', 'SELECT, INSERT');
CALL raise_wall('audit_heads', 'SELECT', 'SELECT, INSERT');
GRANT UPDATE (anchor) ON audit_heads TO mailward_system;
CALL raise_wall('audit_pending', 'SELECT, INSERT', 'SELECT, INSERT, DELETE');
