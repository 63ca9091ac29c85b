-- Which objects still hold content that a row names: asked for a thousand objects at a time by the sweep of the bucket.
-- A message without content is not in it.
CREATE INDEX messages_segment ON messages(segment) WHERE segment IS NOT NULL;
