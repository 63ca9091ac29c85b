"""Where the SMTP rig is found by the attacks on it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "edges" / "smtpd"))
