"""What looks at a message before anybody trusts it: a limited process that reads it, and scanners.

`Examiner` (examiner.py) keeps a few child processes (child.py) that hold no secret, no file and no socket but the one
to their parent, with limits on memory and CPU. In them a message is taken apart (`parts.py`, `archives.py`) and the
YARA rules are run over every piece (`rules.py`). A message that breaks its reader breaks that child alone. `clamd.py`
and `rspamd.py` ask those daemons. No scanner that is down is ever taken for one that found nothing.
"""
