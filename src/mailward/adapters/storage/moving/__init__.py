"""Moving house: everything one store holds, row by row and body by body, into an empty store of the other kind.

Rows travel in one form, that of the embedded store, with nothing sealed; what PostgreSQL
seals is opened when it is the source and sealed when it is the target. Bodies travel as
the sealed records they are, so content is never in clear on the way. Each page of rows
and the note of how far the move has come are one transaction of the target: a move that
was killed goes on behind its last page. The source is only read.
"""
