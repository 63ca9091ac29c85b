"""Backups: copies of the whole installation in another place, and the proof that they can be restored.

What it guarantees: a backup exists when its signed manifest lies under its name, and that
is written last; whatever it names is sealed under keys that only the installation's key
file opens, which is in no backup. Content comes without its data keys: these are copied
apart and the copies kept for a week, so what retention and erasure destroy is gone from
every backup a week later. The newest backup is restored on a schedule, compared with its
manifest, and the result kept; a failure raises an alert. Between two backups what changed is sent
every few minutes (`moment.py`), each state with a signed record of its own, kept for that week.
Verbs: note_backup, note_gone, note_test, note_failure.
"""
