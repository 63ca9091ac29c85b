"""Real counterparts for a test or a bench run: Postfix, OpenDKIM, smtp-sink, unbound, and clients no one here wrote.

Each is a context manager; each has a folder of its own under a temporary one; each wait is bounded. All listen on
loopback only. They need what `tools/install-test-deps.sh` installs; Postfix needs root.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

REPOSITORY = Path(__file__).resolve().parents[2]
_CHANCE = random.SystemRandom()
_DRAWN: set[int] = set()
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class PeerFailed(Exception):
    """A counterpart did not start or did not get there in time."""


def tool(name: str) -> str:
    """Path of a program, also when it lives in sbin; PeerFailed when it is not installed."""
    if path := shutil.which(name, path=_PATH):
        return path
    raise PeerFailed(f"{name} is not installed; run tools/install-test-deps.sh")


def free_port(others: Sequence[int] = ()) -> int:
    """A loopback TCP port that was free a moment ago, and that the system gives to no outgoing connection meanwhile.

    Each worker of the tests draws from ports of its own, none of them twice in a row; with `others`, so many ports
    higher are free too.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    share = (max(first, 11_000) - 10_000) // count
    low = 10_000 + number * share
    share -= max(others, default=0)
    for _ in range(1000):
        port = _CHANCE.randrange(low, low + share)
        wanted = [port, *(port + more for more in others)]
        if not _DRAWN.intersection(wanted) and all(map(_is_free, wanted)):
            if len(_DRAWN) > share // 4:
                _DRAWN.clear()
            _DRAWN.update(wanted)
            return port
    raise PeerFailed("no free port")


def _is_free(port: int) -> bool:
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 20.0, pause: float = 0.05) -> None:
    """Poll until true; PeerFailed naming what was awaited otherwise."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise PeerFailed(f"waited {seconds:g} s for {what}")
        time.sleep(pause)


def answers(port: int) -> bool:
    """Does something accept TCP on this loopback port?"""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


def stop(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """Ask it to end, then make it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(seconds)


class Peer:
    """A counterpart with a folder of its own. Subclasses say how it starts and ends."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"mw-{type(self).__name__.lower()}-"))
        self.folder.chmod(0o755)

    def start(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(PeerFailed, OSError, subprocess.SubprocessError):
            self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class SmtpSink(Peer):
    """Postfix's smtp-sink: takes everything. `count` is how many messages it has had, with the time of the last one."""

    def __init__(self, *, keep: bool = False, options: Sequence[str] = ()) -> None:
        super().__init__()
        self.port = free_port()
        self.count = 0
        self.last_at = 0.0
        self._keep = keep
        self._options = list(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Condition()

    def start(self) -> None:
        """Listen. With `keep`, each message is written to a file of its own (`messages()` reads them)."""
        command = [tool("smtp-sink"), "-c", *self._options]
        if os.geteuid() == 0:
            command += ["-u", "root"]
        if self._keep:
            command += ["-d", f"{self.folder}/%M."]
        command += [f"127.0.0.1:{self.port}", "1024"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        threading.Thread(target=self._watch, args=(self._process.stdout,), daemon=True).start()
        wait_until(lambda: answers(self.port), "smtp-sink")

    def _watch(self, out: IO[bytes]) -> None:
        rest = b""
        while chunk := os.read(out.fileno(), 65536):
            found = re.findall(rb"mesg=(\d+)", rest + chunk)
            rest = (rest + chunk)[-40:]
            if found and int(found[-1]) != self.count:
                with self._changed:
                    self.count, self.last_at = int(found[-1]), time.perf_counter()
                    self._changed.notify_all()

    def wait_for(self, count: int, seconds: float) -> bool:
        """True once `count` messages have arrived since the start; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= count, seconds)

    def messages(self) -> list[tuple[dict[str, list[str]], bytes]]:
        """What was kept: the envelope (lines smtp-sink puts in front, X-*-Args) and the message with LF line ends."""
        out = []
        for path in sorted(p for p in self.folder.iterdir() if p.is_file()):
            head: dict[str, list[str]] = {}
            rest = path.read_bytes()
            while m := re.match(rb"(X-(?:Client-Addr|Client-Proto|Helo-Args|Mail-Args|Rcpt-Args)): ([^\n]*)\n", rest):
                head.setdefault(m[1].decode(), []).append(m[2].decode("utf-8", "replace").strip())
                rest = rest[m.end() :]
            # smtp-sink adds a Received line of its own, folded over three lines.
            if m := re.match(rb"Received: from [^\n]*\n(?:[ \t][^\n]*\n)*", rest):
                rest = rest[m.end() :]
            # It ends each dump with an empty line of its own.
            out.append((head, rest.removesuffix(b"\n")))
        return out

    def close(self) -> None:
        if self._process is not None:
            stop(self._process)
            if self._process.stdout is not None:
                self._process.stdout.close()


class OpenDkim(Peer):
    """OpenDKIM as a milter on a Unix socket, signing for one domain with RSA-2048, relaxed/relaxed."""

    def __init__(self, domain: str, selector: str = "bench") -> None:
        super().__init__()
        self.domain, self.selector = domain, selector
        self.socket = self.folder / "milter.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make a key, then listen."""
        subprocess.run(
            [tool("opendkim-genkey"), "-b", "2048", "-d", self.domain, "-s", self.selector, "-D", str(self.folder)],
            check=True,
            timeout=60,
        )
        config = self.folder / "opendkim.conf"
        config.write_text(
            f"Domain {self.domain}\nSelector {self.selector}\nKeyFile {self.folder}/{self.selector}.private\n"
            f"Socket local:{self.socket}\nMode s\nCanonicalization relaxed/relaxed\nInternalHosts 127.0.0.1\n"
            "Syslog no\nUMask 000\nRequireSafeKeys no\nBackground no\n"
        )
        self.process = subprocess.Popen([tool("opendkim"), "-f", "-x", str(config)], stderr=subprocess.DEVNULL)
        wait_until(self.socket.exists, "OpenDKIM")

    def close(self) -> None:
        if self.process is not None:
            stop(self.process)


class Postfix(Peer):
    """A Postfix of its own on a loopback port, everything under one folder, relaying all mail to 127.0.0.1:relay_port.

    `deferred=True` accepts and keeps (nothing is sent). `extra` adds main.cf lines.
    """

    def __init__(
        self,
        relay_port: int,
        *,
        deferred: bool = False,
        milter: Path | None = None,
        extra: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.port = free_port()
        self._conf = self.folder / "conf"
        self.queue = self.folder / "queue"
        settings = {
            "compatibility_level": "3.6",
            "myhostname": "postfix.test",
            "mydestination": "",
            "queue_directory": str(self.queue),
            "data_directory": str(self.folder / "data"),
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "maillog_file_prefixes": str(self.folder),
            "maillog_file": str(self.folder / "mail.log"),
            "smtp_host_lookup": "native",
            "smtp_dns_support_level": "disabled",
            "smtpd_peername_lookup": "no",
            "relayhost": f"[127.0.0.1]:{relay_port}",
            "smtpd_recipient_restrictions": "permit_mynetworks,permit_sasl_authenticated,reject",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_client_connection_rate_limit": "0",
            "smtpd_client_message_rate_limit": "0",
            "smtpd_client_event_limit_exceptions": "static:all",
            "default_process_limit": "100",
            "in_flow_delay": "0",
            "qmgr_message_active_limit": "20000",
            "default_destination_concurrency_limit": "50",
            "initial_destination_concurrency": "50",
            "message_size_limit": "41943040",
            "smtputf8_enable": "yes",
            "biff": "no",
            "alias_maps": "",
            "local_recipient_maps": "",
        }
        if deferred:
            settings["defer_transports"] = "smtp relay"
        if milter is not None:
            settings["smtpd_milters"] = f"unix:{milter}"
            settings["milter_default_action"] = "tempfail"
        self._settings = settings | (extra or {})

    def start(self) -> None:
        """Lay out the instance and start it."""
        if os.geteuid() != 0:
            raise PeerFailed("Postfix starts as root only")
        self._conf.mkdir()
        self.queue.mkdir()
        (self.folder / "data").mkdir()
        shutil.chown(self.folder / "data", "postfix")
        (self._conf / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in self._settings.items()))
        (self._conf / "master.cf").write_text(_master_cf(self.port))
        for name in ("dynamicmaps.cf", "postfix-files"):
            if Path("/etc/postfix", name).exists():
                (self._conf / name).symlink_to(Path("/etc/postfix", name))
        self._run("postfix", "start")
        wait_until(lambda: answers(self.port), "Postfix")

    def _run(self, name: str, *args: str) -> None:
        done = subprocess.run(
            [tool(name), "-c", str(self._conf), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise PeerFailed(
                f"{name} {' '.join(args)}: {done.stdout.decode('utf-8', 'replace')[-500:]} {self.log()[-1500:]}"
            )

    @property
    def master_pid(self) -> int:
        """The process every other of this instance descends from."""
        return int((self.queue / "pid" / "master.pid").read_text().strip())

    def queued(self) -> int:
        """Messages not yet gone: incoming, active and deferred."""
        names = ("maildrop", "incoming", "active", "deferred")
        return sum(len(files) for n in names for _, _, files in os.walk(self.queue / n))

    def flush(self) -> None:
        """Try everything now, whatever its time."""
        self._run("postqueue", "-f")

    def purge(self) -> None:
        """Forget all queued mail."""
        self._run("postsuper", "-d", "ALL")

    def log(self) -> str:
        """The mail log so far."""
        path = self.folder / "mail.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = self.master_pid
            with contextlib.suppress(PeerFailed):
                self._run("postfix", "stop")
            with contextlib.suppress(ProcessLookupError, PeerFailed):
                wait_until(lambda: not Path(f"/proc/{pid}").exists(), "Postfix to end", 10)
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _master_cf(port: int) -> str:
    """Debian's services without chroot, smtpd on one loopback port."""
    lines = [f"127.0.0.1:{port} inet n - n - - smtpd"]
    for name, kind, wakeup, limit, command in (
        ("pickup", "unix", "60", "1", "pickup"),
        ("cleanup", "unix", "-", "0", "cleanup"),
        ("qmgr", "unix", "300", "1", "qmgr"),
        ("tlsmgr", "unix", "1000?", "1", "tlsmgr"),
        ("rewrite", "unix", "-", "-", "trivial-rewrite"),
        ("bounce", "unix", "-", "0", "bounce"),
        ("defer", "unix", "-", "0", "bounce"),
        ("trace", "unix", "-", "0", "bounce"),
        ("verify", "unix", "-", "1", "verify"),
        ("flush", "unix", "1000?", "0", "flush"),
        ("proxymap", "unix", "-", "-", "proxymap"),
        ("proxywrite", "unix", "-", "1", "proxymap"),
        ("smtp", "unix", "-", "-", "smtp"),
        ("relay", "unix", "-", "-", "smtp"),
        ("showq", "unix", "-", "-", "showq"),
        ("error", "unix", "-", "-", "error"),
        ("retry", "unix", "-", "-", "error"),
        ("discard", "unix", "-", "-", "discard"),
        ("anvil", "unix", "-", "1", "anvil"),
        ("scache", "unix", "-", "1", "scache"),
    ):
        private = "n" if name in ("pickup", "cleanup", "qmgr", "showq", "flush") else "-"
        lines.append(f"{name} {kind} {private} - n {wakeup} {limit} {command}")
    lines.append("postlog unix-dgram n - n - 1 postlogd")
    return "\n".join(lines) + "\n"


class Dns(Peer):
    """unbound on loopback, authoritative for the records given (zone-file lines); nothing is looked up elsewhere."""

    def __init__(self, records: Sequence[str]) -> None:
        super().__init__()
        self.port = free_port()
        self._records = list(records)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What a `resolvers` setting takes."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Write the configuration and answer."""
        config = self.folder / "unbound.conf"
        data = "".join(f"  local-data: '{r}'\n" for r in self._records)
        config.write_text(
            f'server:\n  interface: 127.0.0.1@{self.port}\n  do-daemonize: no\n  chroot: ""\n  username: ""\n'
            f'  directory: "{self.folder}"\n  pidfile: "{self.folder}/pid"\n'
            f'  use-syslog: no\n  logfile: "{self.folder}/log"\n'
            f'  module-config: "iterator"\n  local-zone: "." static\n{data}'
            "remote-control:\n  control-enable: no\n"
        )
        self._process = subprocess.Popen([tool("unbound"), "-d", "-c", str(config)], stderr=subprocess.DEVNULL)
        wait_until(lambda: answers(self.port), "unbound")

    @property
    def records(self) -> list[str]:
        """What it answers."""
        return list(self._records)

    def publish(self, records: Sequence[str]) -> None:
        """Replace all records."""
        self.close()
        self._records = list(records)
        self.start()

    def close(self) -> None:
        if self._process is not None:
            stop(self._process)


def swaks(*args: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run swaks; its exit code and its transcript."""
    return subprocess.run([tool("swaks"), *args], capture_output=True, text=True, timeout=timeout, check=False)


def curl(*args: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run curl, silent but for errors."""
    return subprocess.run([tool("curl"), "-sS", *args], capture_output=True, text=True, timeout=timeout, check=False)


def nodemailer(transport: str, message: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Send one message with nodemailer; both arguments are JavaScript object literals (JSON)."""
    script = (
        f"require('nodemailer').createTransport({transport}).sendMail({message})"
        ".then(i => console.log(JSON.stringify(i)), e => { console.error(e.message); process.exit(1); });"
    )
    return subprocess.run(
        [tool("node"), "-e", script],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=REPOSITORY / ".tools" / "clients",
    )


@contextlib.contextmanager
def several(*peers: Peer) -> Iterator[None]:
    """Start peers in order, end them in the reverse order."""
    with contextlib.ExitStack() as stack:
        for peer in peers:
            stack.enter_context(peer)
        yield
