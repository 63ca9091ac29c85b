"""The part of the recorded script about templates: drafted, published, previewed, sent and rolled back."""

from __future__ import annotations

from tests.scenarios.recorded_mail import ME, look, settled
from tests.scenarios.recording import Recorder

NAME = "welcome-again"


def templates(r: Recorder) -> None:
    """A layout and a template under it, through everything that can become of one."""
    r.call("createTemplate", {"name": "frame", "html": "<style>p { color: red }</style><div>{{ content }}</div>"})
    r.call("createTemplate", {"name": "frame"}, note="again")
    r.call("createTemplate", {"name": "Not A Name"}, note="no name")
    r.call("publishTemplate", template="frame")
    draft = {
        "name": NAME, "description": "the first", "subject": "Hi {{ name }}", "html": "<p>Dear {{ name }},</p>",
        "layout": "frame", "sample": {"name": "Ada"},
    }  # fmt: skip
    r.call("createTemplate", draft, note="in the layout")
    r.call("getTemplate", template=NAME)
    r.call("listTemplateVersions", template=NAME, note="none yet")
    _send(r, "not published", data={"name": "Bo"})
    r.call("publishTemplate", template=NAME)
    r.call("changeTemplate", {"subject": "Hello {{ name }}", "html": "<p>{{ name }</p>"}, template=NAME, note="broken")
    r.call("publishTemplate", template=NAME, note="broken")
    r.call("changeTemplate", {"html": "<p>Hello {{ name }},</p><p>again</p>"}, template=NAME)
    r.call("publishTemplate", template=NAME, note="the second")
    r.call("listTemplates")
    r.call("listTemplates", query={"limit": 1}, note="one")
    versions = r.call("listTemplateVersions", template=NAME)["data"]
    r.call("listTemplateVersions", query={"limit": 1}, template=NAME, note="one")
    for version in (*(str(v["version"]) for v in versions), "3", "x"):
        r.call("getTemplateVersion", template=NAME, version=version, note=version)
    for note, body in (
        ("its sample", {}),
        ("other data", {"data": {"name": "<Bo>"}}),
        ("a version", {"version": 1}),
        ("data that lacks", {"data": {}}),
        ("no such version", {"version": 9}),
    ):
        r.call("renderTemplate", body, template=NAME, note=note)
    _send(r, "the second", data={"name": "<Bo>"})
    _send(r, "data that lacks", data={})
    r.call("rollBackTemplate", {"version": 9}, template=NAME, note="no such version")
    r.call("rollBackTemplate", {"version": 1}, template=NAME)
    _send(r, "the first", data={"name": "Cy"})
    r.call("removeTemplate", template="frame", note="in use")
    r.call("removeTemplate", template=NAME)
    r.call("removeTemplate", template="frame", note="in use no more")
    r.call("getTemplate", template=NAME, note="removed")


def _send(r: Recorder, note: str, *, data: dict[str, str]) -> None:
    request = {"from": ME, "to": ["t@example.com"], "template": NAME, "data": data}
    sent = r.call("sendMessage", request, note=f"of a template, {note}")
    if "id" in sent:
        settled(r, sent["id"])
        look(r, sent["id"])
