"""Repositories whose statements both stores understand: few rows, of the installation, nothing on a message's path.

What it guarantees: parameters are `$1`, `$2`, … in the order in which they first appear,
which is what PostgreSQL wants and how SQLite counts them; nothing here knows which store
it runs on. What grows with the mail has repositories of each store's own.
"""
