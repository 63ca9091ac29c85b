"""Carries messages to SMTP servers. Every failure is an outcome; only a wrong job raises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mailward.adapters.net.courier_job import CourierJob, CourierResult
from mailward.adapters.net.errand import Errand, PoolOptions
from mailward.adapters.net.pool import Pool
from mailward.protocol.smtp.client_mail import Mail, WireContent, path, wire_content

__all__ = ["CourierJob", "CourierResult", "PoolOptions", "SmtpCourier"]


class SmtpCourier:
    """One a process. Messages of the same route share connections and a pace learnt from its answers."""

    def __init__(
        self, options: PoolOptions | None = None, *, failed: Callable[[BaseException], None] = lambda error: None
    ) -> None:
        """`failed` is told of faults of our own; the message they met is tried again later."""
        self._options = options or PoolOptions()
        self._failed = failed
        self._pool: Pool | None = None

    def start(self, job: CourierJob) -> asyncio.Future[CourierResult]:
        """Send a message; the future brings the result and never an exception.

        ValueError when content is not canonical, or when an address could break out of its command.
        """
        pool = self._pool
        if pool is None:
            pool = self._pool = Pool(self._options, self._failed)
        for address in (job.mail_from, *job.recipients):
            path(address)
        mail = Mail(
            job.mail_from,
            job.recipients,
            job.content if isinstance(job.content, WireContent) else wire_content(job.content),
            job.smtputf8,
            job.dsn,
            job.requiretls,
            job.seven_bit,
        )
        now = pool.loop.time()
        future: asyncio.Future[CourierResult] = pool.loop.create_future()
        pool.destination(job).submit(Errand(job, mail, future, now), now)
        return future

    async def deliver(self, job: CourierJob) -> CourierResult:
        """`start()`, awaited."""
        return await self.start(job)

    async def close(self, grace: float = 5.0) -> None:
        """Stop: what is under way gets `grace` seconds."""
        if self._pool is not None:
            await self._pool.close(grace)
