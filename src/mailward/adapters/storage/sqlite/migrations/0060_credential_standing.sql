-- A credential may be paused after a burst, released by its owner, and succeeded by another.
ALTER TABLE t_credentials ADD COLUMN paused INTEGER;
ALTER TABLE t_credentials ADD COLUMN pause_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE t_credentials ADD COLUMN released INTEGER;
ALTER TABLE t_credentials ADD COLUMN successor BLOB;
CREATE INDEX t_credentials_paused ON t_credentials(paused) WHERE paused IS NOT NULL;
CREATE INDEX t_credentials_expires ON t_credentials(expires) WHERE expires IS NOT NULL;
CREATE INDEX t_credentials_revoked ON t_credentials(revoked) WHERE revoked IS NOT NULL;
-- Recipients a credential wrote to, in slots of ten minutes: what bursts are measured against.
CREATE TABLE t_credential_traffic(
  workspace BLOB NOT NULL,
  credential BLOB NOT NULL,
  slot INTEGER NOT NULL,
  recipients INTEGER NOT NULL,
  PRIMARY KEY (workspace, credential, slot)
) WITHOUT ROWID;
CREATE INDEX t_credential_traffic_slot ON t_credential_traffic(slot);
