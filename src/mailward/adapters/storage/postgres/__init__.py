"""The second store: state in PostgreSQL, shared by any number of nodes.

The same verbs run here as on the embedded store; only who carries them differs. Every
transaction takes on a role before its first statement: the tenant's, which sees one
workspace through row-level security, or the system's. The login role itself owns
nothing and sees nothing.
"""
