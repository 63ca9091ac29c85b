-- Operators of the installation with what is on file of them, their access to workspaces, and the quarterly reviews.
CREATE TABLE operators(
  id BLOB NOT NULL PRIMARY KEY,
  made INTEGER NOT NULL,
  made_by TEXT NOT NULL,
  ended INTEGER,
  ended_by TEXT NOT NULL,
  register TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE t_operator_grants(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  operator BLOB NOT NULL,
  wish TEXT NOT NULL,
  state TEXT NOT NULL,
  requested INTEGER NOT NULL,
  ready INTEGER,
  approver BLOB,
  approved INTEGER,
  permitted INTEGER,
  permitted_by TEXT NOT NULL,
  began INTEGER,
  ends INTEGER,
  ended INTEGER,
  ended_by TEXT NOT NULL,
  why TEXT,
  told TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE INDEX t_operator_grants_open ON t_operator_grants(state) WHERE state <> 'ended';
-- A grant never widens and never lasts longer, whatever a statement says.
CREATE TRIGGER guard_operator_grants_narrow BEFORE UPDATE ON t_operator_grants WHEN NEW.operator <> OLD.operator OR NEW.wish <> OLD.wish OR NEW.requested <> OLD.requested OR OLD.state = 'ended' AND NEW.state <> 'ended' OR OLD.began IS NOT NULL AND NEW.began IS NOT OLD.began OR OLD.ends IS NOT NULL AND (NEW.ends IS NULL OR NEW.ends > OLD.ends) BEGIN SELECT RAISE(ABORT, 'a grant does not grow'); END;
CREATE TABLE t_access_reviews(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  quarter TEXT NOT NULL,
  opened INTEGER NOT NULL,
  items TEXT NOT NULL,
  escalated INTEGER,
  suspended INTEGER,
  closed INTEGER,
  told TEXT NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX t_access_reviews_quarter ON t_access_reviews(workspace, quarter);
CREATE INDEX t_access_reviews_open ON t_access_reviews(opened) WHERE closed IS NULL;
