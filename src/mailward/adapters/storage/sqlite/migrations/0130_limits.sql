-- Limits of single workspaces, a number a minute: 0 is no limit, null as the installation says.
CREATE TABLE ceilings(
  tenant BLOB NOT NULL PRIMARY KEY,
  api INTEGER,
  messages INTEGER
) WITHOUT ROWID;
-- What owners are to be told by mail: `kind` says what of, `about` is an id. `told` is due, mailed or not mailed.
CREATE TABLE owner_notices(
  id BLOB NOT NULL PRIMARY KEY,
  tenant BLOB NOT NULL,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  about TEXT NOT NULL,
  told TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX owner_notices_about ON owner_notices(tenant, about);
CREATE INDEX owner_notices_due ON owner_notices(at) WHERE told = 'due';
-- A workspace (`asker`, whose domain is `domain`) has proved a name that another one (`holder`, as `held`) holds, and
-- asks for it. It belongs to both.
CREATE TABLE domain_transfers(
  id BLOB NOT NULL PRIMARY KEY,
  asker BLOB NOT NULL,
  domain BLOB NOT NULL,
  holder BLOB NOT NULL,
  held BLOB NOT NULL,
  asked INTEGER NOT NULL,
  asked_by TEXT NOT NULL,
  state TEXT NOT NULL,
  decided INTEGER
) WITHOUT ROWID;
CREATE INDEX domain_transfers_asker ON domain_transfers(asker, id);
CREATE INDEX domain_transfers_holder ON domain_transfers(holder, id);
CREATE UNIQUE INDEX domain_transfers_open ON domain_transfers(domain) WHERE state = 'asked';
-- Who did it and to what, from the entry itself, so that both can be searched for.
ALTER TABLE t_audit ADD COLUMN actor TEXT GENERATED ALWAYS AS (
  CASE WHEN json_valid(CAST(leaf AS TEXT)) THEN json_extract(CAST(leaf AS TEXT), '$.actor.id') END
) VIRTUAL;
ALTER TABLE t_audit ADD COLUMN target TEXT GENERATED ALWAYS AS (
  CASE WHEN json_valid(CAST(leaf AS TEXT)) THEN json_extract(CAST(leaf AS TEXT), '$.target') END
) VIRTUAL;
CREATE INDEX t_audit_actor ON t_audit(workspace, actor, seq);
CREATE INDEX t_audit_target ON t_audit(workspace, target, seq);
CREATE INDEX t_audit_act ON t_audit(workspace, act, seq);
