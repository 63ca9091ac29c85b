"""Where a node says that others reach its doors."""

from __future__ import annotations

from mailward.app.nodes import http_door, submission_door
from mailward.app.settings import Http, Server, Settings, Storage, Submission


def test_a_door_is_named_as_others_reach_it() -> None:
    """Beyond loopback first, and over TLS there; a wildcard needs the machine's address; no role, no door."""
    http = Http(listen=["127.0.0.1:8080", "0.0.0.0:443"])
    submission = Submission(starttls=["[::]:587"])
    alone = Settings(http=http, submission=submission)
    assert (http_door(alone), submission_door(alone)) == ("http://127.0.0.1:8080", "")
    named = Settings(http=http, submission=submission, storage=Storage(address="2001:db8::7"))
    assert (http_door(named), submission_door(named)) == ("https://[2001:db8::7]:443", "[2001:db8::7]:587")
    sender = Settings(http=http, submission=submission, server=Server(roles=["sender"]))
    assert (http_door(sender), submission_door(sender)) == ("", "")
