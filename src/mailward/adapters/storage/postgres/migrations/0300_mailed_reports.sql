-- keeps: 100
-- Reports that came as mail: how each came, and a keyed digest of the message, by which one that its sender brings
-- twice (our answer was lost) is one report.
ALTER TABLE disclosure_reports ADD COLUMN origin text NOT NULL DEFAULT 'form';
ALTER TABLE disclosure_reports ADD COLUMN digest bytea;
CREATE UNIQUE INDEX disclosure_reports_digest ON disclosure_reports(digest) WHERE digest IS NOT NULL;
-- The message itself, sealed, apart from its row: lists of reports do not read it.
CREATE TABLE disclosure_mails(
  id bytea PRIMARY KEY,
  message bytea NOT NULL
);
GRANT SELECT, INSERT ON disclosure_mails TO mailward_system;
