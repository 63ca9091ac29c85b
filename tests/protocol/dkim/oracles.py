"""Verifiers nobody here wrote: dkimpy, libopendkim through opendkim-testmsg, and Perl's Mail::DKIM."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dkim  # type: ignore[import-untyped]
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

# Another loopback address than 127.0.0.1, whose port 53 may be taken; opendkim-testmsg asks only port 53.
ADDRESS = "127.0.0.83"

PERL = r"""
use strict; use warnings; use Mail::DKIM::Verifier; use Net::DNS;
my ($address, $port) = @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(
    nameservers => [$address], port => $port, recurse => 1, udp_timeout => 2, retry => 1));
binmode STDIN;
my $verifier = Mail::DKIM::Verifier->new();
local $/; my $content = <STDIN>;
$verifier->PRINT($content); $verifier->CLOSE;
for my $signature ($verifier->signatures) { print $signature->algorithm, " ", $signature->result_detail, "\n"; }
"""


@contextmanager
def name_server(records: dict[str, str]) -> Iterator[int]:
    """A UDP name server on ADDRESS that knows these TXT records; gives its port (53 when root)."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        server.bind((ADDRESS, 53))
    except OSError:
        server.bind((ADDRESS, 0))
    server.settimeout(0.1)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                data, peer = server.recvfrom(4096)
            except TimeoutError:
                continue
            query = dns.message.from_wire(data)
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.RA
            question = query.question[0]
            text = records.get(question.name.to_text(omit_final_dot=True).lower())
            if text is None:
                reply.set_rcode(dns.rcode.NXDOMAIN)
            elif question.rdtype == dns.rdatatype.TXT:
                quoted = " ".join(f'"{text[i : i + 255]}"' for i in range(0, len(text), 255))
                reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", quoted))
            server.sendto(reply.to_wire(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stop.set()
        thread.join()
        server.close()


def dkimpy(content: bytes, records: dict[str, str], index: int = 0) -> bool:
    """dkimpy's verdict on the signature at `index`."""

    def lookup(name: bytes, timeout: int = 5) -> bytes | None:
        text = records.get(name.decode().rstrip("."))
        return text.encode() if text is not None else None

    try:
        return bool(dkim.DKIM(content).verify(index, dnsfunc=lookup))
    except dkim.DKIMException:
        return False


def require_opendkim(port: int) -> None:
    """opendkim-testmsg reads /etc/resolv.conf: it needs port 53 and a mount namespace. Missing is an error."""
    missing = [tool for tool in ("opendkim-testmsg", "unshare") if not shutil.which(tool)]
    if missing or port != 53:
        raise FileNotFoundError(
            f"libopendkim cannot be asked: missing {missing}, name server on port {port} (needs 53)"
        )


def opendkim(content: bytes, folder: Path) -> bool:
    """libopendkim's verdict on the message."""
    (folder / "resolv.conf").write_text(f"nameserver {ADDRESS}\noptions timeout:2 attempts:1\n")
    script = f"mount --bind {folder}/resolv.conf /etc/resolv.conf && exec opendkim-testmsg -t {folder}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], input=content, capture_output=True, timeout=30)
    return done.returncode == 0 and not done.stderr and not done.stdout


def mail_dkim(content: bytes, port: int) -> dict[str, str]:
    """Mail::DKIM's verdict by algorithm."""
    done = subprocess.run(
        ["perl", "-e", PERL, ADDRESS, str(port)], input=content, capture_output=True, timeout=30, check=True
    )
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in done.stdout.decode().splitlines()}
