-- keeps: 100
-- Mail templates: the draft that people edit, and which version is sent (0: none was published). Names are compared
-- by their octets, as the embedded store does.
CREATE TABLE templates(
  workspace bytea NOT NULL,
  id bytea NOT NULL,
  name text COLLATE "C" NOT NULL,
  description text NOT NULL,
  draft bytea NOT NULL,
  current integer NOT NULL,
  created bigint NOT NULL,
  changed bigint NOT NULL,
  PRIMARY KEY (workspace, id)
);
CREATE UNIQUE INDEX templates_name ON templates(workspace, name);
-- As they were published; a row is written once and goes with its template.
CREATE TABLE template_versions(
  workspace bytea NOT NULL,
  template bytea NOT NULL,
  number integer NOT NULL,
  at bigint NOT NULL,
  actor text NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (workspace, template, number)
);
CALL raise_wall('templates', 'SELECT, INSERT, UPDATE, DELETE', 'SELECT, INSERT');
CALL raise_wall('template_versions', 'SELECT, INSERT, DELETE', 'SELECT, INSERT');
