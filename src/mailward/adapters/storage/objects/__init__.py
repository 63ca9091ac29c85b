"""Message bodies in an object store: S3, or what speaks like it, GCS, Azure.

A body is sealed (AES-256-GCM, the record of `storage/records.py`) before it leaves this process;
the store sees ciphertext, sizes and times. `append` returns when the store has answered that it
holds the object, so a row that names a body is written only afterwards: 250 and 202 mean that
both are durable. When the store is away, callers hear Unavailable and nothing is half accepted.

`segments` is the whole of it for a process. Under it, `place` says where the bucket is and whether
the way may be trusted, `bucket` makes single requests, `upload` makes one object durable within a
deadline, `writer` gathers bodies into objects, `reader` reads records by range, `naming` gives
numbers and names, `sweep` removes what no row names, `erase` overwrites one message's record, and
`probe` tries a bucket for `mailward doctor`.
"""
