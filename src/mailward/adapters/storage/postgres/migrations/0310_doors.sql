-- keeps: 100
-- Where other nodes reach a node's doors, so that each can be asked whether access that was taken away has ended.
ALTER TABLE nodes ADD COLUMN http text NOT NULL DEFAULT '', ADD COLUMN submission text NOT NULL DEFAULT '';
