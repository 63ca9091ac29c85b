"""Templates of strangers, rendered in limited children.

What it guarantees: a template sees its data, its layout and the built-in filters, and nothing of Python, of the file
system or of another workspace; its steps are counted, its memory and CPU time are the child's, its output is capped;
HTML is escaped unless the author says `|safe`; style sheets are inlined without loading anything.
"""
