"""An ACME authority no one here wrote (pebble), and a DNS server that it asks and that takes dynamic updates."""

from __future__ import annotations

import json
import socketserver
import subprocess
import threading
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import trustme

from tests.scenarios.peers import Peer, answers, free_port, stop, tool, wait_until


class Zone(Peer):
    """A primary for one zone: every name is at 127.0.0.1, TXT records come by RFC 2136 updates signed with its key.

    It keeps what RFC 2136 asks of a server that such a client needs, over UDP and TCP.
    """

    def __init__(self, name: str, key: str = "mailward.", secret: str = "c2VjcmV0IG9mIHRoZSB0ZXN0IHpvbmU=") -> None:
        super().__init__()
        self.name, self.key, self.secret = dns.name.from_text(name), key, secret
        self.port = free_port()
        self.updates = 0
        self._ring = dns.tsigkeyring.from_text({key: secret})
        self._txt: dict[dns.name.Name, set[str]] = {}
        self._servers: list[Any] = []

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def txt(self) -> list[str]:
        """All TXT values there are now."""
        return [value for values in self._txt.values() for value in values]

    def start(self) -> None:
        """Answer on both transports."""
        zone = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                if reply := zone.reply(data):
                    sock.sendto(reply, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while len(size := self.rfile.read(2)) == 2:
                    if reply := zone.reply(self.rfile.read(int.from_bytes(size, "big"))):
                        self.wfile.write(len(reply).to_bytes(2, "big") + reply)

        for kind, handler in ((socketserver.ThreadingUDPServer, Datagram), (socketserver.ThreadingTCPServer, Stream)):
            kind.daemon_threads = True
            server = kind(("127.0.0.1", self.port), handler)
            self._servers.append(server)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def reply(self, data: bytes) -> bytes | None:
        """The answer to one message."""
        try:
            asked = dns.message.from_wire(data, keyring=self._ring)
        except dns.exception.DNSException:
            asked = dns.message.from_wire(data, keyring=False)  # an unknown or wrong key: no TSIG is checked
            return _refusal(asked, dns.rcode.NOTAUTH)
        if asked.opcode() == dns.opcode.UPDATE:
            return self._update(asked)
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.AA
        question = asked.question[0]
        if question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", "127.0.0.1"))
        elif question.rdtype == dns.rdatatype.TXT and (values := self._txt.get(question.name)):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", *(f'"{v}"' for v in values)))
        return answer.to_wire()

    def _update(self, asked: dns.message.Message) -> bytes:
        if not asked.had_tsig:
            return _refusal(asked, dns.rcode.REFUSED)
        if asked.sections[0][0].name != self.name:
            return _refusal(asked, dns.rcode.NOTZONE)
        for rrset in asked.sections[2]:
            values = {b"".join(r.strings).decode() for r in rrset}
            held = self._txt.setdefault(rrset.name, set())
            if rrset.deleting == 254:  # class NONE: these values go (RFC 2136 section 2.5.4)
                held -= values
            else:
                held |= values
        self.updates += 1
        return dns.message.make_response(asked).to_wire()

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


def _refusal(asked: dns.message.Message, code: dns.rcode.Rcode) -> bytes:
    answer = dns.message.Message(asked.id)
    answer.flags |= dns.flags.QR
    answer.set_opcode(asked.opcode())
    answer.set_rcode(code)
    return answer.to_wire()


class Pebble(Peer):
    """Let's Encrypt's test authority: it really validates, asking `dns` for names and `http_port` for challenges."""

    def __init__(self, dns_server: str, http_port: int) -> None:
        super().__init__()
        self.port, self._http_port, self._dns = free_port(), http_port, dns_server
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def directory(self) -> str:
        """Where clients begin."""
        return f"https://localhost:{self.port}/dir"

    @property
    def ca(self) -> str:
        """PEM file of who vouches for the directory's own certificate."""
        return str(self.folder / "ca.pem")

    def start(self) -> None:
        """Its own certificate, its settings, and the process. No nonce is refused and no proof remembered."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        own = authority.issue_cert("localhost", "127.0.0.1")
        own.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        own.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))
        settings = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": "",
            "certificate": str(self.folder / "cert.pem"),
            "privateKey": str(self.folder / "key.pem"),
            "httpPort": self._http_port,
            "tlsPort": free_port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "certificateValidityPeriod": 90 * 86400,
        }
        config = self.folder / "pebble.json"
        config.write_text(json.dumps({"pebble": settings}))
        with (self.folder / "log").open("wb") as out:
            self._process = subprocess.Popen(
                [tool("pebble"), "-strict", "-config", str(config), "-dnsserver", self._dns],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"},
            )
        wait_until(lambda: answers(self.port), "pebble")

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def close(self) -> None:
        if self._process is not None:
            stop(self._process)
