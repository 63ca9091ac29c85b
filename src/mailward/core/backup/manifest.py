"""The form of a backup's manifest."""

from __future__ import annotations

from mailward.core.backup.model import Manifest
from mailward.core.backup.record import SignedForm

_FORM = SignedForm(Manifest, context=b"mailward backup manifest\x00", what="The manifest of this backup")
write_manifest, read_manifest, peek = _FORM.write, _FORM.read, _FORM.peek
