"""What `mailward up` says once everything runs, and how it learns it without growing.

The supervisor lives as long as the platform and needs little; what prepares the data folder needs nearly all of the
program. So that is done in a child which is gone again when the workers start.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from mailward.app.first import First
from mailward.app.settings import Settings, as_reached, split_address
from mailward.core.domains.model import CAPTURE_DOMAIN

FIRST_CREDENTIALS = "first-credentials.txt"


def prepare_apart(settings: Settings, idle: Callable[[int], bool]) -> First:
    """`prepare` in a child process; its errors are raised here. Call it before there are threads."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _prepare_and_tell(settings, idle, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if not told:
        raise SystemExit(os.waitstatus_to_exitcode(status) or 1)
    # Both ends are this program, and nobody else holds the pipe.
    result = pickle.loads(told)  # noqa: S301
    if isinstance(result, Exception):
        raise result
    assert isinstance(result, First)
    return result


def _prepare_and_tell(settings: Settings, idle: Callable[[int], bool], writer: int) -> None:
    """The child: never returns."""
    code = 1
    try:
        from mailward.app.prepare import prepare

        result: First | Exception
        try:
            result = prepare(settings, idle)
        except Exception as e:
            result = e
        try:
            told = pickle.dumps(result)
            pickle.loads(told)  # noqa: S301
        except Exception:
            told = pickle.dumps(RuntimeError(f"{type(result).__name__}: {result}"))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(told)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def is_kept(environ: Mapping[str, str]) -> bool:
    """Whether a log keeps what is printed: the journal, as systemd says, or that of a container, as the image says."""
    return not sys.stdout.isatty() and ("JOURNAL_STREAM" in environ or "OUTPUT_IS_KEPT" in environ)


def welcome(settings: Settings, first: First, *, kept: bool) -> None:
    """The console's words: where everything is, the setup link, one curl line and one SMTP block.

    Where they are `kept`, what has a secret for longer than the setup link's day is put in a file of the data folder
    instead, for its owner alone.
    """
    url = settings.http.public_url
    roles = settings.server.roles
    lines = ["", f"Mailward runs: {url}" if "web" in roles else f"Mailward runs: {', '.join(roles)}"]
    if settings.capture:
        lines.append(
            "Capture mode: no hostname is set, so nothing leaves this machine; every message is kept and shown."
        )
    if first.link is not None:
        lines += ["", "Set up the owner (works once, for 24 hours):", f"  {url}/setup/{first.link}"]
    if credentials := _credentials(settings, first):
        if not kept:
            lines += credentials
        else:
            where = _keep(settings.data, "\n".join(credentials[1:]) + "\n")
            lines += [
                "",
                f"An API key and an SMTP login to try it with are in {where}. Remove it when you have read it.",
            ]
    lines += ["", "Then: mailward message list; mailward message explain", ""]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _credentials(settings: Settings, first: First) -> list[str]:
    url = settings.http.public_url
    lines: list[str] = []
    if first.key is not None:
        # Nobody knows the certificate that we made ourselves.
        insecure = " --insecure" if settings.capture and url.startswith("https:") else ""
        body = '{"from":"Me <me@demo.mailward.test>","to":["you@example.com"],"subject":"Hello","text":"It works."}'
        lines += [
            "",
            "Send a message by API (this key is shown once):",
            f"  curl -sS{insecure} {url}/v1/messages -H 'Authorization: Bearer {first.key}' \\",
            f"    -H 'Content-Type: application/json' -d '{body}'",
        ]
    if first.smtp is not None and settings.submission.starttls:
        host, port = split_address(settings.submission.starttls[0])
        lines += [
            "",
            "Or by SMTP:",
            f"  host {settings.server.hostname or as_reached(host)}  port {port}  STARTTLS",
            f"  user {first.smtp[0]}",
            f"  password {first.smtp[1]}",
            f"  from anything@{CAPTURE_DOMAIN}",
        ]
    return lines


def _keep(data: Path, text: str) -> Path:
    """Write a new file of mode 0600; where it is."""
    path = data.absolute() / FIRST_CREDENTIALS
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    return path
