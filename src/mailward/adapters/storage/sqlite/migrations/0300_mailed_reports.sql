-- Reports that came as mail: how each came, and a keyed digest of the message, by which one that its sender brings
-- twice (our answer was lost) is one report.
ALTER TABLE disclosure_reports ADD COLUMN origin TEXT NOT NULL DEFAULT 'form';
ALTER TABLE disclosure_reports ADD COLUMN digest BLOB;
CREATE UNIQUE INDEX disclosure_reports_digest ON disclosure_reports(digest) WHERE digest IS NOT NULL;
-- The message itself, sealed, apart from its row: lists of reports do not read it.
CREATE TABLE disclosure_mails(
  id BLOB PRIMARY KEY,
  message BLOB NOT NULL
) WITHOUT ROWID;
