"""The embedded store: one encrypted SQLite file for the record of everything, segment files for bodies.

`engine` runs verbs in group commits on a writer thread, `scope` is the wall between
workspaces, `segments` keeps bodies, `migrate` brings the schema up to date, and one
file a concept holds the SQL of its repository.
"""
