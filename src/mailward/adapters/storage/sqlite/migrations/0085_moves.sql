-- How far a move into this store has come.
CREATE TABLE moves(
  step TEXT PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;
