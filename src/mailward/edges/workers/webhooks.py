"""The webhook courier: posts events as they are stored, signed afresh for each attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mailward.base import ids
from mailward.base.errors import MailwardError, Unavailable
from mailward.base.sources import Clock, Entropy
from mailward.core.webhooks import lease as leasing
from mailward.core.webhooks.model import DEADLINE_SECONDS, Result, Work
from mailward.core.webhooks.ports import HttpPoster
from mailward.core.webhooks.settle import settle
from mailward.edges.workers.courier import Burden, Courier, Load, Log, Store, Unseal
from mailward.policy.posting import RESPONSE_READ_MAX
from mailward.protocol import webhooks as standard


class WebhookWorker(Courier[Work, Result]):
    """One a process. `run()` until `stop` is set; `wake()` after a commit that queued events."""

    AT_ONCE = leasing.AT_ONCE
    DEADLINE = DEADLINE_SECONDS
    NAME = "webhook"

    def __init__(
        self,
        store: Store,
        poster: HttpPoster,
        *,
        unseal: Unseal,
        clock: Clock,
        entropy: Entropy,
        log: Log,
        lessee: int = 0,
        user_agent: str = "Mailward-Webhooks/1",
    ) -> None:
        super().__init__(store, clock=clock, entropy=entropy, log=log, lessee=lessee)
        self._poster = poster
        self._unseal = unseal
        self._user_agent = user_agent

    async def due(self, now: int, held: frozenset[bytes]) -> bool:
        """One look at the queue."""
        return bool(await self._store.system_read(lambda tx: leasing.due_now(tx, now, held)))

    async def lease(self, now: int, turn: int, room: int, load: Load) -> list[Work]:
        """Events that are due."""
        works: list[Work] = await self._store.system_write(
            lambda tx: leasing.lease(
                tx,
                lessee=self._lessee,
                now=now,
                limit=room,
                turn=turn,
                busy=load.busy,
                tenants=load.tenants,
                slow=load.slow,
            )
        )
        return works

    async def attempt(self, work: Work) -> Result:
        """Post one event."""
        return await self.probe(work)

    async def probe(self, work: Work) -> Result:
        """Post one event now, outside of the queue, and say how it went. Settles nothing."""
        began = self._clock.monotonic()
        try:
            answer = await asyncio.wait_for(
                self._poster.post(
                    work.url,
                    self._headers(work),
                    work.body,
                    deadline=DEADLINE_SECONDS,
                    max_response=RESPONSE_READ_MAX,
                ),
                DEADLINE_SECONDS + 1,
            )
            return Result(work, answer.status, answer.body, answer.elapsed_ms, answer.retry_after)
        except MailwardError as e:
            return self._failed(work, began, e.public)
        except TimeoutError:
            return self._failed(work, began, "The endpoint did not answer in time.")
        except OSError:
            return self._failed(work, began, "The endpoint could not be reached.")
        except Exception as e:  # the courier must outlive any fault of one attempt; it is logged by class and retried
            self._log.warning(
                "webhook_attempt_crashed", webhook=ids.encode("whk", work.webhook), error=type(e).__name__
            )
            return self._failed(work, began, "The request failed.")

    def _failed(self, work: Work, began: float, why: str) -> Result:
        return Result(work, 0, b"", int((self._clock.monotonic() - began) * 1000), error=why)

    def _headers(self, work: Work) -> dict[str, str]:
        workspace = ids.encode("ws", work.workspace)
        secrets = [self._unseal(workspace, s.sealed) for s in work.secrets]
        if not secrets:
            # Unsigned it would be indistinguishable from anybody's request.
            raise Unavailable("no_secret", "There is no secret to sign with; rotate it.")
        at = int(self._clock.now().timestamp())
        signed = standard.headers(secrets, ids.encode("evt", work.event), at, work.body)
        return {"content-type": "application/json", "user-agent": self._user_agent, **dict(signed)}

    async def settle(self, workspace: str, results: Sequence[Result]) -> None:
        """Write how they went; one log line each."""
        now = self._clock.now()
        await self._store.write(workspace, lambda tx: settle(tx, results, now=now, entropy=self._entropy))
        for r in results:
            self._log.info(
                "webhook_attempt_settled",
                webhook=ids.encode("whk", r.work.webhook),
                event_id=ids.encode("evt", r.work.event),
                attempt=r.work.number,
                status=r.status,
                elapsed_ms=r.elapsed_ms,
            )

    def burden(self, work: Work) -> Burden:
        """See `Courier`."""
        return Burden(work.workspace, work.webhook, work.slow)

    def work_of(self, result: Result) -> Work:
        """See `Courier`."""
        return result.work

    def took(self, result: Result) -> bool:
        """See `Courier`."""
        return 200 <= result.status < 300
