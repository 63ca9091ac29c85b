"""What waits to be committed: items gathered by list verb and workspace, and verbs that run alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from mailward.adapters.storage.committing.crowd import LULL, Crowd

SINGLE = object()
"""Stands for the list verb where a job is a verb of its own (in `item`)."""

# Items of one transaction at most, and groups of it: each group costs a savepoint.
_MAX_ITEMS = 1024
_MAX_GROUPS = 64
# Items that wait before one more connection begins a transaction of items beside those under way: fewer of them are
# better off in the next one of a connection that is at work. Unless that one takes long: then so many seconds.
_BESIDE = 64
_BESIDE_SECONDS = 0.05


class Job:
    """A verb, or an item for a list verb, that waits for its commit. `since` is the loop's time when it arrived;
    `message` says that it came with a body.
    """

    __slots__ = ("body", "error", "future", "item", "message", "result", "since", "verb", "workspace")

    def __init__(
        self, verb: Any, workspace: bytes | None, item: Any, body: Any, future: asyncio.Future[Any], since: float
    ) -> None:
        self.verb = verb
        self.workspace = workspace
        self.item = item
        self.body = body
        self.message = body is not None
        self.future = future
        self.since = since
        self.result: Any = None
        self.error: BaseException | None = None

    def answer(self) -> None:
        """Tell the caller."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


Group = list[Job]
"""Jobs that run as one call: the items of one list verb and workspace, or one verb alone."""


class Waiting:
    """The jobs that wait, shared by the committers of a process.

    While a committer works for a workspace, further items for it gather here and become
    the next call: so calls grow with load, and one process never waits for its own locks.
    Groups of one transaction are in the order of their workspaces, as every node's are, so
    that transactions that meet on the same rows do not lock them crosswise.
    """

    def __init__(self) -> None:
        self._lists: dict[tuple[Any, bytes | None], Group] = {}
        self._singles: deque[Job] = deque()
        self._busy: set[Any] = set()
        self._running = 0
        self._late = False
        self._messages = 0
        self._crowd = Crowd()
        self._rest: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._ended = False

    @property
    def in_step(self) -> bool:
        """All of a crowd is waited for."""
        return self._crowd.in_step

    def put(self, job: Job) -> None:
        """Add one."""
        if job.verb is SINGLE:
            self._singles.append(job)
        else:
            self._lists.setdefault((job.verb, job.workspace), []).append(job)
            self._messages += job.message
        if job.verb is SINGLE or self._worth_it():
            self._changed.set()
        else:
            self._set_timer()

    def end(self) -> None:
        """Take what is left, then `take` returns nothing."""
        self._ended = True
        for timer in (self._timer, self._rest):
            if timer is not None:
                timer.cancel()
        self._timer = self._rest = None
        self._changed.set()

    async def take(self, *, singles: bool, singles_first: bool) -> list[Group]:
        """The next transaction's groups, waiting for some; empty when there will be none. `done` gives them back.

        `singles` says whether a verb that runs alone may be among them, `singles_first` that it goes before items.
        """
        while True:
            if singles and singles_first and self._singles:
                return [[self._singles.popleft()]]
            if (self._late or self._ended or self._worth_it()) and (found := self._gather()):
                self._late = False
                self._running += 1
                return found
            if singles and self._singles:
                return [[self._singles.popleft()]]
            if self._ended and not self._lists and not (singles and self._singles):
                return []
            if self._lists and not self._late and not self._ended:
                # Of those the timer was set for some were left: their workspace was under way, or there were too many.
                self._set_timer()
            self._changed.clear()
            await self._changed.wait()

    def _worth_it(self) -> bool:
        if self._running:
            return sum(map(len, self._lists.values())) >= _BESIDE * self._running
        return self._rest is None or not self._crowd.rest(self._messages, asyncio.get_running_loop().time())

    def _rested(self) -> None:
        self._rest = None
        self._set_rest(asyncio.get_running_loop().time())
        if self._rest is None:
            self._changed.set()

    def _set_rest(self, now: float) -> None:
        """Look again when there may be a lull: how long to rest depends on who arrives meanwhile."""
        if not self._ended and (rest := self._crowd.rest(self._messages, now)):
            self._rest = asyncio.get_running_loop().call_later(min(rest, LULL), self._rested)

    def _set_timer(self) -> None:
        if self._timer is None and self._running:
            self._timer = asyncio.get_running_loop().call_later(_BESIDE_SECONDS, self._overdue)

    def _overdue(self) -> None:
        self._timer = None
        self._late = bool(self._lists)
        self._changed.set()

    def _gather(self) -> list[Group]:
        groups: list[Group] = []
        items = 0
        for key in list(self._lists):
            verb, workspace = key
            lane = _lane(verb, workspace)
            if lane in self._busy and not any(_lane(g[0].verb, g[0].workspace) == lane for g in groups):
                continue
            jobs = self._lists.pop(key)
            if len(jobs) > _MAX_ITEMS - items:
                self._lists[key] = jobs[_MAX_ITEMS - items :]
                jobs = jobs[: _MAX_ITEMS - items]
            self._messages -= _messages(jobs)
            self._busy.add(lane)
            groups.append(jobs)
            items += len(jobs)
            if items >= _MAX_ITEMS or len(groups) >= _MAX_GROUPS:
                break
        groups.sort(key=lambda g: g[0].workspace or b"")
        return groups

    def late(self, group: Group) -> Group:
        """What came since for a group that is under way and not run yet: taken, to be run with it."""
        first = group[0]
        room = _MAX_ITEMS - len(group)
        if first.verb is SINGLE or room <= 0:
            return []
        jobs = self._lists.pop((first.verb, first.workspace), [])
        if len(jobs) > room:
            self._lists[first.verb, first.workspace] = jobs[room:]
            jobs = jobs[:room]
        self._messages -= _messages(jobs)
        return jobs

    def done(self, groups: Sequence[Group]) -> None:
        """These groups are not under way any more."""
        if groups[0][0].verb is not SINGLE:
            self._running -= 1
            self._answered(groups)
        for group in groups:
            if group[0].verb is not SINGLE:
                self._busy.discard(_lane(group[0].verb, group[0].workspace))
        self._changed.set()

    def _answered(self, groups: Sequence[Group]) -> None:
        now = asyncio.get_running_loop().time()
        self._crowd.answered(sum(map(_messages, groups)), self._messages, now)
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        self._set_rest(now)

    def refuse(self, *, before: float, error: Callable[[], BaseException]) -> int:
        """Answer every waiting job that arrived before a time with an error; how many."""
        refused = [j for j in self._singles if j.since < before]
        self._singles = deque(j for j in self._singles if j.since >= before)
        for key, jobs in list(self._lists.items()):
            refused += [j for j in jobs if j.since < before]
            kept = [j for j in jobs if j.since >= before]
            self._messages -= _messages(jobs) - _messages(kept)
            if kept:
                self._lists[key] = kept
            else:
                del self._lists[key]
        for job in refused:
            job.error = error()
            job.answer()
        return len(refused)


def _messages(jobs: Group) -> int:
    return sum(job.message for job in jobs)


def _lane(verb: Any, workspace: bytes | None) -> Any:
    """What is never under way twice at once in a process: a workspace, or a verb of the system's."""
    return verb if workspace is None else workspace
