"""Mailward beside Postfix and Haraka, in alternation in one run: `make bench`.

`cases` says what is measured, `servers` starts the three, `load` drives them, `meter` reads /proc, `report` compares
the medians with `targets`. Every server gets the same smtp-source, the same smtp-sink, the same machine, warm.
"""
