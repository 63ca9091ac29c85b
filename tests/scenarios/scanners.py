"""The real scanners beside a test: ClamAV's daemon with signatures the test writes, and rspamd with no network."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping

from tests.scenarios.peers import Peer, PeerFailed, answers, free_port, stop, tool, wait_until

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class Clamd(Peer):
    """clamd on a Unix socket. `signatures` are names and the octets that each is for; `options` lines of clamd.conf."""

    def __init__(self, signatures: Mapping[str, bytes] | None = None, options: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.place = str(self.folder / "clamd.sock")
        self._signatures = {"Eicar-Test-Signature": EICAR} if signatures is None else signatures
        self._options = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Write the signatures, start, wait until it answers."""
        database = self.folder / "signatures"
        database.mkdir()
        lines = [f"{name}:0:*:{octets.hex()}\n" for name, octets in self._signatures.items()]
        (database / "test.ndb").write_text("".join(lines))
        config = self.folder / "clamd.conf"
        settings = {
            "DatabaseDirectory": str(database), "LocalSocket": self.place, "Foreground": "yes", "MaxThreads": "2",
            "LogFile": str(self.folder / "clamd.log"), "TemporaryDirectory": str(self.folder), **self._options,
        }  # fmt: skip
        config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        self._process = subprocess.Popen(
            [tool("clamd"), "--config-file", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, "clamd", 120)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            log = self.folder / "clamd.log"
            raise PeerFailed(f"clamd ended: {log.read_text()[-500:] if log.exists() else ''}")
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(2)
                s.connect(self.place)
                s.sendall(b"zPING\0")
                return s.recv(16) == b"PONG\0"
        except OSError:
            return False

    def pause(self, stopped: bool) -> None:
        """Stop it without ending it, or go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)

    def close(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            stop(self._process)


# It compiles its list of the names under which others register at every start: some nine thousand cost it fifteen
# seconds of the processor, and what is asked of it here depends on none.
_TOP_LEVEL = "com\nnet\norg\ntest\n"
_RSPAMD = """
options {{
  pidfile = "{folder}/rspamd.pid"; tempdir = "{folder}"; temp_dir = "{folder}"; filters = ""; raw_mode = false;
  dns {{ nameserver = ["127.0.0.1:{nowhere}"]; timeout = 0.1s; retransmits = 1; }}
  disable_hyperscan = true; check_all_filters = false; local_addrs = ["127.0.0.0/8"]; hs_cache_dir = "{folder}";
  url_tld = "{folder}/top-level"; control_socket = "{folder}/c mode=0600";
}}
logging {{ type = "file"; filename = "{folder}/rspamd.log"; level = "warning"; }}
metric {{ name = "default"; actions {{ reject = 15; "add header" = 6; greylist = 4; }} }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
"""


class Rspamd(Peer):
    """rspamd's normal worker on loopback, with its built-in judgement (GTUBE) and nothing that asks the network."""

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Write its settings, start, wait until it answers."""
        config = self.folder / "rspamd.conf"
        (self.folder / "top-level").write_text(_TOP_LEVEL)
        config.write_text(_RSPAMD.format(folder=self.folder, port=self.port, nowhere=free_port()))
        self._process = subprocess.Popen(
            [tool("rspamd"), "-f", "-i", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(self.folder)},
        )  # fmt: skip
        process = self._process

        def ready() -> bool:
            if process.poll() is not None:
                raise PeerFailed(f"rspamd ended with {process.returncode}")
            return answers(self.port)

        wait_until(ready, "rspamd", 120)
        time.sleep(0.2)  # its port is the parent's, its worker a moment later

    def close(self) -> None:
        """Stop it."""
        if self._process is not None:
            stop(self._process)
