-- keeps: 100
-- Limits of single workspaces, a number a minute: 0 is no limit, null as the installation says.
CREATE TABLE ceilings(
  tenant bytea NOT NULL PRIMARY KEY,
  api bigint,
  messages bigint
);
-- What owners are to be told by mail: `kind` says what of, `about` is an id. `told` is due, mailed or not mailed.
CREATE TABLE owner_notices(
  id bytea NOT NULL PRIMARY KEY,
  tenant bytea NOT NULL,
  at bigint NOT NULL,
  kind text NOT NULL,
  about text NOT NULL,
  told text NOT NULL
);
CREATE INDEX owner_notices_about ON owner_notices(tenant, about);
CREATE INDEX owner_notices_due ON owner_notices(at) WHERE told = 'due';
-- A workspace (`asker`, whose domain is `domain`) has proved a name that another one (`holder`, as `held`) holds, and
-- asks for it. It belongs to both.
CREATE TABLE domain_transfers(
  id bytea NOT NULL PRIMARY KEY,
  asker bytea NOT NULL,
  domain bytea NOT NULL,
  holder bytea NOT NULL,
  held bytea NOT NULL,
  asked bigint NOT NULL,
  asked_by text NOT NULL,
  state text NOT NULL,
  decided bigint
);
CREATE INDEX domain_transfers_asker ON domain_transfers(asker, id);
CREATE INDEX domain_transfers_holder ON domain_transfers(holder, id);
CREATE UNIQUE INDEX domain_transfers_open ON domain_transfers(domain) WHERE state = 'asked';
GRANT SELECT, INSERT, UPDATE, DELETE ON ceilings TO mailward_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON owner_notices TO mailward_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON domain_transfers TO mailward_system;
-- Who did it and to what, from the entry itself, so that both can be searched for. Stored, since a condition on a
-- function of the leaf could not use an index under row-level security.
CREATE FUNCTION leaf_field(leaf bytea, path text[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT pg_catalog.convert_from(leaf, 'UTF8')::pg_catalog.json OPERATOR(pg_catalog.#>>) path $$;
ALTER TABLE audit
  ADD COLUMN actor text GENERATED ALWAYS AS (leaf_field(leaf, '{actor,id}')) STORED,
  ADD COLUMN target text GENERATED ALWAYS AS (leaf_field(leaf, '{target}')) STORED;
CREATE INDEX audit_actor ON audit(workspace, actor, seq);
CREATE INDEX audit_target ON audit(workspace, target, seq);
CREATE INDEX audit_act ON audit(workspace, act, seq);
