"""RFC 9989 sections 4 and 5: a case for each sentence that decides a result, named by its section.

Each row is (section and sentence, records below _dmarc, author, identifiers, expected). `expected` names fields of the
verdict. Sentences for domain owners and for report senders decide no result here and have no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mailward.protocol.dmarc.evaluate import Identifier
from tests.protocol.dmarc.conftest import dkim, judged, spf, zone

E = "example.com"
REJECT = "v=DMARC1; p=reject"
LONG = "a.b.c.d.e.f.g.h.i.j.mail.example.com"
EXISTS: dict[str, Any] = {"sub.example.com": {"A": ["192.0.2.1"]}}

Row = tuple[str, dict[str, Any], str, Sequence[Identifier], dict[str, Any]]
ROWS: list[Row] = [
    # 4.1
    ("4.1 pass: a record exists and DKIM is aligned", {E: REJECT}, E, [dkim(E)], {"result": "pass"}),
    ("4.1 pass: a record exists and SPF is aligned", {E: REJECT}, E, [spf(E)], {"result": "pass"}),
    ("4.1 fail with the owner's policy", {E: REJECT}, E, [], {"result": "fail", "disposition": "reject"}),
    ("4.1 no record, no pass, though aligned", {}, E, [dkim(E)], {"result": "none", "policy": ""}),
    # 4.4
    ("4.4 table, relaxed", {E: REJECT}, "news.example.com", [spf("foo.example.com")], {"result": "pass"}),
    ("4.4 table, strict", {"news.example.com": REJECT + "; aspf=s"}, "news.example.com", [spf("news.example.com")],
     {"result": "pass"}),
    ("4.4 table, none", {E: REJECT}, "news.example.com", [spf("foo.example.net")], {"result": "fail"}),
    ("4.4 comparison ignores case", {E: REJECT + "; adkim=s"}, E, [dkim("EXAMPLE.com")], {"result": "pass"}),
    ("4.4.1 a valid signature of a stranger is not enough", {E: REJECT}, E, [dkim("evil.example")], {"result": "fail"}),
    ("4.4.1 any aligned signature of several is enough", {E: REJECT}, E, [dkim("evil.example"), dkim("list.example"),
     dkim(E)], {"result": "pass", "dkim_aligned": True}),
    ("4.4.2 SPF of a stranger is not enough", {E: REJECT}, E, [spf("evil.example")], {"result": "fail"}),
    ("4.4.2 a name that only ends alike is a stranger", {E: REJECT}, E, [spf("notexample.com")], {"result": "fail"}),
    # 4.5
    ("4.5 a record of the organizational domain applies below it", {E: REJECT}, "sub.example.com", [],
     {"result": "fail", "disposition": "reject", "policy_domain": E}),
    # 4.7 tags
    ("4.7 unknown tags are ignored, pct among them", {E: REJECT + "; pct=0; zz=1; rf=afrf; ri=1"}, E, [],
     {"disposition": "reject"}),
    ("4.7 adkim=s", {E: REJECT + "; adkim=s"}, E, [dkim("mail.example.com")], {"result": "fail"}),
    ("4.7 adkim=s leaves SPF relaxed", {E: REJECT + "; adkim=s"}, E, [spf("mail.example.com")], {"result": "pass"}),
    ("4.7 aspf=s", {E: REJECT + "; aspf=s"}, E, [spf("mail.example.com")], {"result": "fail"}),
    ("4.7 aspf=s leaves DKIM relaxed", {E: REJECT + "; aspf=s"}, E, [dkim("mail.example.com")], {"result": "pass"}),
    ("4.7 adkim defaults to r", {E: REJECT}, E, [dkim("mail.example.com")], {"result": "pass"}),
    ("4.7 np for a subdomain that does not exist", {E: "v=DMARC1; p=none; sp=none; np=reject"}, "ghost.example.com", [],
     {"policy": "reject"}),
    ("4.7 np not for an existing subdomain", {E: "v=DMARC1; p=none; np=reject"}, "sub.example.com", [],
     {"policy": "none"}),
    ("4.7 np not for the domain itself", {E: "v=DMARC1; p=none; np=reject"}, E, [], {"policy": "none"}),
    ("4.7 np absent: sp", {E: "v=DMARC1; p=none; sp=quarantine"}, "ghost.example.com", [], {"policy": "quarantine"}),
    ("4.7 np and sp absent: p", {E: "v=DMARC1; p=quarantine"}, "ghost.example.com", [], {"policy": "quarantine"}),
    ("4.7 p absent: as p=none", {E: "v=DMARC1; rua=mailto:a@example.com"}, E, [],
     {"result": "fail", "policy": "none", "disposition": "none"}),
    ("4.7 p=quarantine", {E: "v=DMARC1; p=quarantine"}, E, [], {"disposition": "quarantine"}),
    ("4.7 psd=n is the organizational domain for itself", {E: REJECT, "b.example.com": "v=DMARC1; p=none; psd=n"},
     "b.example.com", [dkim("other.example.com")], {"result": "fail", "organizational": "b.example.com"}),
    ("4.7 psd=u leaves it to the walk", {E: REJECT, "b.example.com": "v=DMARC1; p=none; psd=u"}, "b.example.com",
     [dkim("other.example.com")], {"result": "pass", "organizational": E}),
    ("4.7 rua is read", {E: REJECT + "; rua=mailto:a@x.example,mailto:b@y.example!10m"}, E, [],
     {"rua": ("mailto:a@x.example", "mailto:b@y.example")}),
    ("4.7 fo is ignored without ruf", {E: REJECT + "; fo=1"}, E, [], {"fo": "0"}),
    ("4.7 fo counts with ruf", {E: REJECT + "; fo=1:d:s; ruf=mailto:r@x.example"}, E, [],
     {"fo": "1:d:s", "ruf": ("mailto:r@x.example",)}),
    ("4.7 sp for an existing subdomain", {E: "v=DMARC1; p=reject; sp=none"}, "sub.example.com", [], {"policy": "none"}),
    ("4.7 sp not for the domain itself", {E: "v=DMARC1; p=reject; sp=none"}, E, [], {"policy": "reject"}),
    ("4.7 sp absent and np not applicable: p", {E: "v=DMARC1; p=reject; np=none"}, "sub.example.com", [],
     {"policy": "reject"}),
    ("4.7 sp on a subdomain's own record is ignored", {E: REJECT, "sub.example.com": "v=DMARC1; p=none; sp=reject"},
     "x.sub.example.com", [], {"policy": "reject", "policy_domain": E}),
    ("4.7 t=y lowers reject to quarantine", {E: REJECT + "; t=y"}, E, [],
     {"policy": "reject", "disposition": "quarantine", "testing": True}),
    ("4.7 t=y lowers quarantine to none", {E: "v=DMARC1; p=quarantine; t=y"}, E, [], {"disposition": "none"}),
    ("4.7 t=y leaves none", {E: "v=DMARC1; p=none; t=y"}, E, [], {"disposition": "none", "policy": "none"}),
    ("4.7 t=y applies to sp", {E: "v=DMARC1; p=none; sp=reject; t=y"}, "sub.example.com", [],
     {"disposition": "quarantine"}),
    ("4.7 t=y applies to np", {E: "v=DMARC1; p=none; np=reject; t=y"}, "ghost.example.com", [],
     {"disposition": "quarantine"}),
    ("4.7 t=n is the default", {E: REJECT + "; t=n"}, E, [], {"disposition": "reject", "testing": False}),
    ("4.7 v must come first", {E: "p=reject; v=DMARC1"}, E, [dkim(E)], {"result": "none"}),
    ("4.7 v must be there", {E: "p=reject"}, E, [dkim(E)], {"result": "none"}),
    ("4.7 v is case-sensitive", {E: "v=dmarc1; p=reject"}, E, [dkim(E)], {"result": "none"}),
    ("4.7 v must be DMARC1", {E: "v=DMARC10; p=reject"}, E, [dkim(E)], {"result": "none"}),
    # 4.8
    ("4.8 syntax errors take the default", {E: REJECT + "; adkim=x; aspf; t=maybe; psd=7; =; ;;"}, E,
     [dkim("a.example.com")], {"result": "pass", "testing": False}),
    ("4.8 white space around separators", {E: "v = DMARC1 ;\tp = reject ; adkim = s ;"}, E, [], {"policy": "reject"}),
    ("4.8 values of the grammar ignore case", {E: "v=DMARC1; p=REJECT; t=Y"}, E, [], {"disposition": "quarantine"}),
    # 4.10
    ("4.10 step 2: several records are all discarded", {E: [REJECT, "v=DMARC1; p=none"]}, E, [dkim(E)],
     {"result": "none"}),
    ("4.10 step 2: other texts beside it do not matter", {E: ["v=spf1 -all", REJECT, "hello"]}, E, [],
     {"policy": "reject"}),
    ("4.10 step 6: several at the parent are discarded, too", {E: [REJECT, REJECT], "com": "v=DMARC1; p=none; psd=y"},
     "sub.example.com", [], {"policy_domain": "com"}),
    ("4.10 step 4: a record among the skipped labels is not found", {"f.g.h.i.j.mail.example.com": REJECT}, LONG, [],
     {"result": "none"}),
    ("4.10 step 4: seven labels are", {"g.h.i.j.mail.example.com": REJECT}, LONG, [], {"policy": "reject"}),
    ("4.10.1 the long author's own record is", {LONG: REJECT}, LONG, [], {"policy_domain": LONG}),
    # 4.10.1
    ("4.10.1 the author's record comes first", {E: "v=DMARC1; p=none; sp=none", "sub.example.com": REJECT},
     "sub.example.com", [], {"policy": "reject", "policy_domain": "sub.example.com"}),
    ("4.10.1 then the organizational domain's", {E: "v=DMARC1; p=none; sp=quarantine", "com": REJECT + "; psd=y"},
     "sub.example.com", [], {"policy": "quarantine", "policy_domain": E}),
    ("4.10.1 then the PSD's", {"com": "v=DMARC1; p=none; sp=reject; psd=y"}, E, [],
     {"policy": "reject", "policy_domain": "com"}),
    ("4.10.1 np of the PSD", {"com": "v=DMARC1; p=none; np=reject; psd=y"}, "ghost.com", [], {"policy": "reject"}),
    ("4.10.1 p of the record when it is the author's own", {E: "v=DMARC1; p=quarantine; sp=reject; np=reject"}, E, [],
     {"policy": "quarantine"}),
    ("4.10.1 not the record in between", {E: "v=DMARC1; p=none", "b.example.com": REJECT}, "a.b.example.com", [],
     {"policy": "none", "policy_domain": E}),
    ("4.10.1 invalid p with a report address: as p=none", {E: "v=DMARC1; p=bogus; rua=mailto:a@x.example"}, E, [],
     {"result": "fail", "policy": "none"}),
    ("4.10.1 absent p without an address: no DMARC", {E: "v=DMARC1; sp=reject"}, E, [dkim(E)], {"result": "none"}),
    ("4.10.1 absent p with one: as p=none, sp included", {E: "v=DMARC1; sp=reject; rua=mailto:a@x.example"},
     "sub.example.com", [], {"result": "fail", "policy": "none"}),
    ("4.10.1 a record without p ends the walk", {E: REJECT, "b.example.com": "v=DMARC1; psd=n"}, "a.b.example.com",
     [dkim(E)], {"result": "none"}),
    ("4.10.2 a record without p still marks the organizational domain",
     {"a.b.example.com": REJECT, "b.example.com": "v=DMARC1; psd=n", E: REJECT}, "a.b.example.com", [dkim(E)],
     {"result": "fail", "organizational": "b.example.com"}),
    ("4.10.1 invalid sp with a report address: as p=none", {E: REJECT + "; sp=x; rua=mailto:a@x.example"}, E, [],
     {"result": "fail", "policy": "none"}),
    ("4.10.1 invalid np with a report address: as p=none", {E: REJECT + "; np=x; rua=mailto:a@x.example"}, E, [],
     {"result": "fail", "policy": "none"}),
    ("4.10.1 invalid p without one: no DMARC", {E: "v=DMARC1; p=bogus"}, E, [dkim(E)], {"result": "none"}),
    ("4.10.1 invalid p with an address that is none: no DMARC", {E: "v=DMARC1; p=bogus; rua=nobody"}, E, [dkim(E)],
     {"result": "none"}),
    ("4.10.1 empty p is invalid", {E: "v=DMARC1; p="}, E, [dkim(E)], {"result": "none"}),
    ("4.10.1 PSD policy is not for a domain with a record", {E: "v=DMARC1; p=none", "com": REJECT + "; psd=y"}, E, [],
     {"policy": "none", "rua": ()}),
    # 4.10.2
    ("4.10.2 psd=n on the way ends the selection", {E: REJECT, "mail.example.com": REJECT + "; psd=n"},
     "a.mail.example.com", [dkim("b.mail.example.com")], {"result": "pass", "organizational": "mail.example.com"}),
    ("4.10.2 outside psd=n is outside", {E: REJECT, "mail.example.com": REJECT + "; psd=n"}, "a.mail.example.com",
     [dkim(E)], {"result": "fail"}),
    ("4.10.2 an identifier below its own psd=n is outside", {E: REJECT, "x.example.com": REJECT + "; psd=n"}, E,
     [dkim("y.x.example.com")], {"result": "fail"}),
    ("4.10.2 one label below psd=y", {E: "v=DMARC1; p=reject; psd=y"}, "a.mail.example.com", [dkim("mail.example.com")],
     {"result": "pass", "organizational": "mail.example.com"}),
    ("4.10.2 two registrants below psd=y are strangers", {E: REJECT + "; psd=y"}, "a.example.com",
     [dkim("b.example.com")], {"result": "fail", "organizational": "a.example.com"}),
    ("4.10.2 psd=y where the walk started is not one label below", {E: REJECT + "; psd=y"}, E, [dkim(E)],
     {"result": "pass"}),
    ("4.10.2 mail of the PSD itself stands alone", {E: REJECT + "; psd=y"}, E, [dkim("a.example.com")],
     {"result": "fail"}),
    ("4.10.2 otherwise the fewest labels", {E: REJECT, "mail.example.com": REJECT}, "a.mail.example.com",
     [dkim("b.example.com")], {"result": "pass", "organizational": E}),
    ("4.10.2 example: only _dmarc.com with psd=y", {"com": REJECT + "; psd=y"}, "a.mail.example.com",
     [dkim("other.example.com")], {"result": "pass", "organizational": E}),
    ("4.10.2 identical domains need no walk", {"sub.example.com": REJECT}, "sub.example.com", [dkim("sub.example.com")],
     {"result": "pass"}),
    ("4.10.2 nothing found for the identifier: it stands alone", {"a.example.com": REJECT}, "a.example.com",
     [dkim(E), dkim("b.example.com")], {"result": "fail"}),
    # 5.3
    ("5.3.2 no record: does not apply", {"example.net": REJECT}, E, [], {"result": "none", "disposition": "none"}),
    ("5.3.5 no identifier: fail", {E: "v=DMARC1; p=none"}, E, [], {"result": "fail"}),
    ("5.3.5 none aligned: fail", {E: "v=DMARC1; p=none"}, E, [dkim("a.example"), spf("b.example")], {"result": "fail"}),
    ("5.3.5 one aligned of two mechanisms: pass", {E: REJECT}, E, [dkim("a.example"), spf(E)],
     {"result": "pass", "spf_aligned": True, "dkim_aligned": False}),
    ("5.3.6 DNS away for an aligned identifier: neither", {E: REJECT}, E, [dkim(E, certain=False)],
     {"result": "temperror", "disposition": "none"}),
    ("5.3.6 DNS away for a stranger's: fail all the same", {E: REJECT}, E, [dkim("evil.example", certain=False)],
     {"result": "fail", "disposition": "reject"}),
    ("5.3.6 DNS away for one, another aligned: pass", {E: REJECT}, E, [spf(E, certain=False), dkim(E)],
     {"result": "pass"}),
    ("5.4 p=none changes nothing", {E: "v=DMARC1; p=none"}, E, [], {"result": "fail", "disposition": "none"}),
]  # fmt: skip


@pytest.mark.claim("EMAIL-3")
@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_sentence(row: Row) -> None:
    """The sentence of the RFC decides as it says."""
    _, texts, author, identifiers, expected = row
    verdict = zone(texts, EXISTS).run(judged(author, identifiers))
    assert {name: getattr(verdict, name) for name in expected} == expected, verdict
    assert verdict.reason.endswith(".")


def test_4_5_strings_of_one_record_are_joined() -> None:
    """4.5: the driver joins the strings of a TXT record, and the result is read as one text."""
    verdict = zone({E: REJECT[:5] + REJECT[5:]}).run(judged(E, []))
    assert verdict.policy == "reject"


def test_4_10_questions_of_the_example() -> None:
    """4.10: twelve labels take exactly the eight questions the RFC lists, in that order."""
    asked = zone({})
    asked.run(judged(LONG, []))
    assert [q.name for q in asked.asked] == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "_dmarc.g.h.i.j.mail.example.com",
        "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com",
        "_dmarc.j.mail.example.com",
        "_dmarc.mail.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    ]
    assert {q.type for q in asked.asked} == {"TXT"}


def test_5_1_8_example_of_the_zone_cut() -> None:
    """5.1.8: the psd=n record at eight labels of a nine-label author is never asked for, the apex is found."""
    asked = zone({"b.c.d.e.f.g.example.com": REJECT + "; psd=n", E: "v=DMARC1; p=quarantine"})
    verdict = asked.run(judged("mail.a.b.c.d.e.f.g.example.com", []))
    assert [q.name for q in asked.asked if q.type == "TXT"] == [
        "_dmarc.mail.a.b.c.d.e.f.g.example.com",
        "_dmarc.c.d.e.f.g.example.com",
        "_dmarc.d.e.f.g.example.com",
        "_dmarc.e.f.g.example.com",
        "_dmarc.f.g.example.com",
        "_dmarc.g.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    ]
    assert (verdict.policy, verdict.policy_domain) == ("quarantine", E)


@pytest.mark.parametrize("labels", [1, 2, 7, 8, 9, 128])
def test_4_10_never_more_than_eight(labels: int) -> None:
    """4.10: whatever the number of labels, a walk takes eight questions at most; eight labels take all eight."""
    asked = zone({})
    asked.run(judged(".".join("a" * labels), []))
    assert len(asked.asked) == min(labels, 8)


@pytest.mark.parametrize("failure", ["SERVFAIL", "TIMEOUT"])
@pytest.mark.parametrize("where", ["_dmarc.sub.example.com", "_dmarc.example.com", "_dmarc.com"])
def test_5_3_6_dns_errors_while_walking(failure: str, where: str) -> None:
    """5.3.6: a question of the walk that is not answered leaves neither pass nor fail, and no policy applies."""
    asked = zone({E: REJECT}, {where: {"TXT": failure}})
    verdict = asked.run(judged("sub.example.com", [dkim("other.example.com")]))
    assert (verdict.result, verdict.disposition) == ("temperror", "none")


def test_5_3_6_dns_error_of_the_existence_test() -> None:
    """3.2.13, 5.3.6: whether np applies cannot be told without an answer."""
    asked = zone({E: "v=DMARC1; p=none; np=reject"}, {"x.example.com": {"A": "SERVFAIL"}})
    assert asked.run(judged("x.example.com", [])).result == "temperror"


def test_3_2_13_a_name_without_addresses_exists() -> None:
    """3.2.13: NODATA is not NXDOMAIN: a name that has other records, or names below it, exists."""
    asked = zone({E: "v=DMARC1; p=none; np=reject"}, {"deep.x.example.com": {"A": ["192.0.2.1"]}})
    assert asked.run(judged("x.example.com", [])).policy == "none"


def test_4_10_2_a_stranger_causes_no_walk() -> None:
    """4.10.2: a domain outside the author's organizational domain cannot be aligned, so nothing is asked about it."""
    asked = zone({E: REJECT})
    asked.run(judged(E, [dkim(f"{n}.evil.example") for n in range(10)] + [spf("evil.example")]))
    assert not [q for q in asked.asked if "evil" in q.name]
