"""Chains between implementations nobody here wrote: Mail::DKIM seals and we judge, and the other way round."""

from __future__ import annotations

import base64
import subprocess

from cryptography.hazmat.primitives import serialization

from mailward.protocol.arc.validate import Verdict, validate
from mailward.protocol.dkim import keys
from mailward.protocol.message import headers
from tests.protocol.arc.test_seal import MESSAGE, key, sealed
from tests.protocol.arc.test_seal import zone as sealing_zone
from tests.protocol.dkim import oracles
from tests.protocol.zones import Zone

PERL = r"""
use strict; use warnings; use Mail::DKIM::ARC::Verifier; use Net::DNS;
my ($address, $port) = @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(
    nameservers => [$address], port => $port, recurse => 1, udp_timeout => 2, retry => 1));
binmode STDIN;
my $verifier = Mail::DKIM::ARC::Verifier->new();
local $/; my $content = <STDIN>;
$verifier->PRINT($content); $verifier->CLOSE;
print $verifier->result, " ", $verifier->result_detail, "\n";
"""


SIGN = r"""
use strict; use warnings; use Mail::DKIM::ARC::Signer; use Mail::DKIM::PrivateKey;
my ($chain, $key) = @ARGV;
my $signer = Mail::DKIM::ARC::Signer->new(
    Algorithm => "rsa-sha256", Chain => $chain, Domain => "hop.example", Selector => "k", SrvId => "mx.hop.example",
    Key => Mail::DKIM::PrivateKey->load(Data => $key));
binmode STDIN; binmode STDOUT;
local $/; my $content = <STDIN>;
$signer->PRINT($content); $signer->CLOSE;
print join("\015\012", $signer->as_strings), "\015\012";
"""


def test_mail_dkim_seals() -> None:
    """One and two sets that Mail::DKIM made pass here; after a changed body or sender they do not."""
    private, record = keys.generate("rsa-sha256")
    traditional = serialization.load_der_private_key(private, None).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    zone = Zone.texts({"k._domainkey.hop.example": record})
    content = MESSAGE
    for hop, chain in ((1, "none"), (2, "pass")):
        content = b"Authentication-Results: mx.hop.example; spf=pass smtp.mailfrom=a@example.com\r\n" + content
        command = ["perl", "-e", SIGN, chain, base64.b64encode(traditional).decode()]
        done = subprocess.run(command, input=content, capture_output=True, timeout=30, check=True)
        content = done.stdout + content
        verdict = judged(zone, content)
        assert (verdict.result, verdict.instances) == ("pass", hop), (verdict, content)
        assert judged(zone, content + b"more\r\n").result == "fail"
        assert judged(zone, content.replace(b"alice@", b"malice@")).result == "fail"


def judged(zone: Zone, content: bytes) -> Verdict:
    """Our verdict."""
    parsed = headers.split(content, tolerant=True)
    return zone.run(validate(parsed.fields, content[parsed.body_offset :]))


def perl(content: bytes, port: int) -> str:
    """Mail::DKIM's verdict on the chain."""
    command = ["perl", "-e", PERL, oracles.ADDRESS, str(port)]
    done = subprocess.run(command, input=content, capture_output=True, timeout=30, check=True)
    return done.stdout.decode().strip()


def test_mail_dkim_judges_our_seals() -> None:
    """Two of our sets pass with Perl's Mail::DKIM, and fail after a change."""
    content = sealed(sealed(MESSAGE))
    records = {name: records["TXT"][0] for name, records in sealing_zone().data.items()}
    assert key("rsa-sha256")[1] in records.values()
    with oracles.name_server(records) as port:
        assert perl(content, port).startswith("pass")
        assert perl(content.replace(b"First", b"Worst"), port).startswith("fail")
