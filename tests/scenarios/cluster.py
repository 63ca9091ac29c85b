"""Several nodes over one PostgreSQL and one bucket: each a `mailward up` with a data folder and ports of its own.

Each node reaches the database by a way of its own that can be cut; clients come in by
ways that balance over all nodes with the door's role. `Cluster` answers to the names
that `soak.Soak` uses of a single machine, with nodes for parts.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from tests.postgres_databases import APP_PASSWORD
from tests.scenarios.apart import Apart
from tests.scenarios.bucket import ServedBucket
from tests.scenarios.platform import toml
from tests.scenarios.ways import Way, Ways

ROLE_EACH = (("web",), ("submission",), ("sender",), ("upkeep",))
ALL = ("web", "submission", "sender", "upkeep")


class Node(Apart):
    """One node: a single supervisor with some roles."""

    def __init__(self, number: int, roles: Sequence[str], **more: Any) -> None:
        super().__init__([tuple(roles)], **more)
        self.number = number
        self.part = roles[0]

    def write_settings(self) -> None:
        """The settings file, for a node that does not go through `start`."""
        self.config.write_text(toml(self._values))


class Cluster:
    """Nodes n0, n1, ...; a context manager. The first one makes the credentials."""

    def __init__(
        self,
        layout: Sequence[Sequence[str]],
        ways: Ways,
        bucket: ServedBucket,
        *,
        database: str,
        servers: Sequence[int],
        route: str,
        workers: int = 1,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """`servers` are the ports of PostgreSQL (or of a pooler); several are the hosts of one URL."""
        self.layout = [(f"n{i}", *roles) for i, roles in enumerate(layout)]
        self.nodes: dict[str, Node] = {}
        self.to_database: dict[str, list[Way]] = {}
        self._roles = [tuple(roles) for roles in layout]
        for i, roles in enumerate(layout):
            cables = [ways.to(port) for port in servers]
            hosts = ",".join(f"127.0.0.1:{way.port}" for way in cables)
            own = {
                "storage.kind": "postgres",
                "storage.url": f"postgresql://mailward_app:{APP_PASSWORD}@{hosts}/{database}",
                "storage.plaintext": ["127.0.0.1"],
                "storage.node": i,
                "storage.zone": f"zone-{i % 2}",
            }
            made = Node(i, roles, route=route, workers=workers, settings=own | bucket.settings() | dict(settings or {}))
            self.nodes[f"n{i}"] = made
            self.to_database[f"n{i}"] = cables
        self._workers = workers
        web, doors = self._with("web"), self._with("submission")
        self.http_port = ways.to(*(n.http_port for n in web)).port
        self.private_port = ways.to(*(n.private_port for n in doors)).port
        self.starttls_port = ways.to(*(n.starttls_port for n in doors)).port

    def _with(self, role: str) -> list[Node]:
        return [n for n, roles in zip(self.nodes.values(), self._roles, strict=True) if role in roles]

    def __enter__(self) -> Cluster:
        try:
            first, *rest = self.nodes.values()
            first.__enter__()
            self.send_key, self.admin_key = first.send_key, first.admin_key
            self.smtp_user, self.smtp_password = first.smtp_user, first.smtp_password
            for node in rest:
                shutil.copytree(first.data / "keys", node.data / "keys")
                node.write_settings()
                node.admin_key, node.send_key = first.admin_key, first.send_key
                node.start_part(node.part, wait=False)
            for node in rest:
                node.await_part(node.part)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        running = [p for n in self.nodes.values() for p in n.parts.values() if p.poll() is None]
        for process in running:
            process.terminate()
        for node in self.nodes.values():
            node.__exit__(None, None, None)

    @property
    def log(self) -> str:
        """What every node printed."""
        return "".join(f"== {name}\n{node.log}" for name, node in self.nodes.items())

    def database_away(self, name: str, away: bool) -> None:
        """Cut a node from the database, or mend that."""
        for way in self.to_database[name]:
            way.cut() if away else way.heal()

    # -- as `soak.Soak` asks of one machine -------------------------------------------------------

    def part_of(self, role: str) -> str:
        """The first node that has a role."""
        return next(f"n{n.number}" for n in self._with(role))

    def sends(self, part: str) -> bool:
        """Does this node send mail?"""
        return "sender" in self._roles[self.nodes[part].number]

    def children(self, part: str) -> list[int]:
        """Process ids of a node's workers."""
        node = self.nodes[part]
        return node.children(node.part)

    def committer(self, part: str) -> int:
        """Process id of a node's committing process; a node of one worker has none."""
        return self.nodes[part].committer(self.nodes[part].part)

    def kill_worker(self, part: str, pid: int) -> None:
        """kill -9 for one worker."""
        self.nodes[part].kill_worker(part, pid)

    def kill_supervisor(self, part: str) -> None:
        """kill -9 for a supervisor alone."""
        node = self.nodes[part]
        node.kill_supervisor(node.part)

    def kill_part(self, part: str) -> None:
        """kill -9 for all processes of a node at one instant."""
        node = self.nodes[part]
        node.kill_part(node.part)

    def start_part(self, part: str) -> None:
        """Start a node again, and wait until it serves."""
        node = self.nodes[part]
        node.start_part(node.part)

    def api(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """One API call, on a node that has the web role."""
        return self._with("web")[0].api(method, path, body, **more)

    def cli_json(self, *args: str) -> Any:
        """A command of the command line, on the first node."""
        return next(iter(self.nodes.values())).cli_json(*args)
