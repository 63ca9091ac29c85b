-- keeps: 260
-- Reads what was received to prove the bound that the step before promised. Mail is taken and handed over meanwhile.
DO $$
BEGIN
  IF EXISTS (SELECT FROM received_days_from) THEN
    ALTER TABLE received VALIDATE CONSTRAINT of_earlier_days;
    ALTER TABLE received_copies VALIDATE CONSTRAINT of_earlier_days;
    ALTER TABLE received_attempts VALIDATE CONSTRAINT of_earlier_days;
  END IF;
END
$$;
