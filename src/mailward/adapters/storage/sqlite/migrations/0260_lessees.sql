-- Whose lease a copy or an event is under: when its worker is known to be dead, it is due at once.
ALTER TABLE t_received_copies ADD COLUMN lessee INTEGER NOT NULL DEFAULT 0;
ALTER TABLE t_webhook_jobs ADD COLUMN lessee INTEGER NOT NULL DEFAULT 0;
CREATE INDEX t_received_copies_lessee ON t_received_copies(lessee) WHERE lessee <> 0;
CREATE INDEX t_webhook_jobs_lessee ON t_webhook_jobs(lessee) WHERE lessee <> 0;
