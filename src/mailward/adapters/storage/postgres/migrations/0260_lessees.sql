-- keeps: 100
-- Whose lease a copy or an event is under: when its worker is known to be dead, it is due at once.
ALTER TABLE received_copies ADD COLUMN lessee bigint NOT NULL DEFAULT 0;
ALTER TABLE webhook_jobs ADD COLUMN lessee bigint NOT NULL DEFAULT 0;
CREATE INDEX received_copies_lessee ON received_copies(lessee) WHERE lessee <> 0;
CREATE INDEX webhook_jobs_lessee ON webhook_jobs(lessee) WHERE lessee <> 0;
