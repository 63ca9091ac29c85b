"""Whoever holds access open on a node: a browser with a live page, and an SMTP session that idles."""

from __future__ import annotations

import re
import smtplib
import ssl

import httpx

from tests.scenarios.platform import Platform

_PASSWORD = "correct horse battery staple 9"


class Browser:
    """A signed-in person on one node. `alike` makes another browser with the same cookie on another node."""

    def __init__(self, node: Platform, cookies: httpx.Cookies | None = None) -> None:
        self.base = f"http://127.0.0.1:{node.http_port}"
        self.http = httpx.Client(base_url=self.base, cookies=cookies)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    @classmethod
    def set_up(cls, node: Platform) -> Browser:
        """The first owner, by the setup link."""
        browser = cls(node)
        done = node.cli("setup-link")
        link = re.search(r"/setup/\S+", done.stdout)
        assert link is not None, done.stderr
        form = {"email": "owner@example.org", "password": _PASSWORD, "again": _PASSWORD, "workspace_name": "Ours"}
        assert browser.post(link[0], link[0], form) in (200, 303)
        return browser

    def alike(self, node: Platform) -> Browser:
        """The same session, asked at another node."""
        return Browser(node, self.http.cookies)

    def post(self, page: str, path: str, form: dict[str, str]) -> int:
        """Send a form of a page."""
        token = re.search(r'name="csrf" value="([^"]+)"', self.http.get(page).text)
        assert token is not None
        answer = self.http.post(path, data=form | {"csrf": token[1]}, headers={"Origin": self.base})
        return answer.status_code

    def live(self) -> bool:
        """Whether the part of a page that refreshes itself still shows something to the session."""
        answer = self.http.get("/messages/rows", headers={"HX-Request": "true"})
        return answer.status_code == 200 and "hx-redirect" not in answer.headers


class OpenSession:
    """An SMTP session that signed in and stays."""

    def __init__(self, node: Platform, user: str, password: str) -> None:
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        self._smtp = smtplib.SMTP("127.0.0.1", node.starttls_port, timeout=10)
        try:
            self._smtp.starttls(context=trusting)
            self._smtp.login(user, password)
        except smtplib.SMTPException:
            self._smtp.close()
            raise

    def __enter__(self) -> OpenSession:
        return self

    def __exit__(self, *_: object) -> None:
        self._smtp.close()

    def next_command(self) -> int:
        """The code of the answer to one more command; 421 when the line was closed before."""
        try:
            return self._smtp.noop()[0]
        except smtplib.SMTPServerDisconnected:
            return 421
