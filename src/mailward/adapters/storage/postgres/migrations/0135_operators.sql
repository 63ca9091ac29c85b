-- keeps: 100
-- Operators of the installation with what is on file of them, their access to workspaces, and the quarterly reviews.
-- `register`, `wish` and `items` name people and say why: they are sealed.
CREATE TABLE operators(
  id bytea PRIMARY KEY,
  made bigint NOT NULL,
  made_by text NOT NULL,
  ended bigint,
  ended_by text NOT NULL,
  register bytea NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON operators TO mailward_system;
CREATE TABLE operator_grants(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  operator bytea NOT NULL,
  wish bytea NOT NULL,
  state text NOT NULL,
  requested bigint NOT NULL,
  ready bigint,
  approver bytea,
  approved bigint,
  permitted bigint,
  permitted_by text NOT NULL,
  began bigint,
  ends bigint,
  ended bigint,
  ended_by text NOT NULL,
  why text,
  told text NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE INDEX operator_grants_id ON operator_grants(id);
CREATE INDEX operator_grants_open ON operator_grants(state) WHERE state <> 'ended';
-- A grant never widens and never lasts longer, whatever a statement says.
CREATE FUNCTION grant_stays_narrow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.operator <> OLD.operator OR NEW.wish <> OLD.wish OR NEW.requested <> OLD.requested
     OR (OLD.state = 'ended' AND NEW.state <> 'ended')
     OR (OLD.began IS NOT NULL AND NEW.began IS DISTINCT FROM OLD.began)
     OR (OLD.ends IS NOT NULL AND (NEW.ends IS NULL OR NEW.ends > OLD.ends)) THEN
    RAISE EXCEPTION 'a grant does not grow';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION grant_stays_narrow FROM PUBLIC;
CREATE TRIGGER operator_grants_narrow BEFORE UPDATE ON operator_grants
  FOR EACH ROW EXECUTE FUNCTION grant_stays_narrow();
CREATE TABLE access_reviews(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  quarter text NOT NULL,
  opened bigint NOT NULL,
  items bytea NOT NULL,
  escalated bigint,
  suspended bigint,
  closed bigint,
  told text NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX access_reviews_quarter ON access_reviews(workspace, quarter);
CREATE INDEX access_reviews_open ON access_reviews(opened) WHERE closed IS NULL;
CALL raise_wall('operator_grants', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE');
CALL raise_wall('access_reviews', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE');
-- Personal logins of operators to this database, one a grant. What such a login may see is decided here at each
-- statement, by the name it signed in with: nothing that the person sets in their session changes it.
CREATE TABLE operator_logins(
  role text PRIMARY KEY,
  access bytea NOT NULL,
  bound bytea NOT NULL,
  ends bigint NOT NULL,
  ended bigint
);
GRANT SELECT, UPDATE ON operator_logins TO mailward_system;
CREATE FUNCTION reader_workspace() RETURNS bytea LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = mailward, pg_temp AS $$
  SELECT bound FROM operator_logins
    WHERE role = session_user AND ended IS NULL AND ends > extract(epoch FROM clock_timestamp()) * 1000000
$$;
REVOKE ALL ON FUNCTION reader_workspace FROM PUBLIC;
