"""The repository's root, from which tests import the SMTP rig as `tests.edges.smtpd.smtp_rig`."""

import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[3])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)
