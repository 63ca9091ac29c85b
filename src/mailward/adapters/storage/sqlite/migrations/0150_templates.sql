-- Mail templates: the draft that people edit, and which version is sent (0: none was published).
CREATE TABLE t_templates(
  workspace BLOB NOT NULL,
  id BLOB NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  draft BLOB NOT NULL,
  current INTEGER NOT NULL,
  created INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX t_templates_name ON t_templates(workspace, name);
-- As they were published; a row is written once and goes with its template.
CREATE TABLE t_template_versions(
  workspace BLOB NOT NULL,
  template BLOB NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (workspace, template, number)
) WITHOUT ROWID;
