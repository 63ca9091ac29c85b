"""An ACME authority (RFC 8555), by the client library of certbot. For a thread: it waits for answers.

The library and what it needs are imported when something is ordered, not before: they
are some twenty megabytes, and a process orders a few times a year.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acme.client import ClientV2
    from acme.messages import OrderResource

_SECONDS = 30
_ORDER = timedelta(minutes=5)


class OrderFailed(Exception):
    """No certificate; the text says why, in the authority's words where it gave any."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that a name is ours: `answer` under `token` for http-01, or in a TXT record for dns-01."""

    name: str
    token: str
    answer: str


Show = Callable[[Sequence[Proof]], None]


class Authority:
    """One directory, as one account. Methods block; OrderFailed says why one did not work."""

    def __init__(
        self,
        directory: str,
        account_key: bytes,
        *,
        contact: str = "",
        ca: str = "",
        binding: tuple[str, str] | None = None,
        agent: str = "mailward",
    ) -> None:
        """`account_key` is PEM (P-256). `binding` is an external account's (key id, base64url key)."""
        self._directory = directory
        self._key = account_key
        self._contact = contact
        self._ca = ca
        self._binding = binding
        self._agent = agent

    def order(self, names: Sequence[str], key: bytes, challenge: str, show: Show, hide: Show) -> str:
        """The chain, PEM, for these names and the certificate key (PEM).

        `show` makes proofs visible and returns when they are; `hide` is called at the end, whatever happened.
        """
        from acme import challenges, crypto_util

        kind = {"http-01": challenges.HTTP01, "dns-01": challenges.DNS01}[challenge]
        with _reasons():
            client = self._client()
            found = client.new_order(crypto_util.make_csr(key, list(names)))
            proofs, answers = [], []
            for one in found.authorizations:
                if one.body.status.name == "valid":
                    continue  # the authority still remembers an earlier proof
                offered = [c for c in one.body.challenges if isinstance(c.chall, kind)]
                if not offered:
                    raise OrderFailed(f"the authority offers no {challenge} for {one.body.identifier.value}")
                response, answer = offered[0].response_and_validation(client.net.key)
                token = offered[0].chall.encode("token") if challenge == "http-01" else ""
                proofs.append(Proof(one.body.identifier.value, token, answer))
                answers.append((offered[0], response))
            try:
                show(proofs)
                for body, response in answers:
                    client.answer_challenge(body, response)
                # The library compares with the local time of day, without a zone.
                deadline = datetime.now() + _ORDER  # noqa: DTZ005
                done: OrderResource = client.poll_and_finalize(found, deadline)
            finally:
                hide(proofs)
        return str(done.fullchain_pem)

    def renewal(self, chain: str, now: datetime) -> tuple[datetime | None, datetime]:
        """When the authority wants this certificate renewed (RFC 9773), None if it does not say; when to ask again."""
        with _reasons():
            client = self._client(account=False)
            at, again = client.renewal_time(chain.encode())
        wait = again.astimezone(UTC) - now  # the library's time is local
        return at, now + min(max(wait, timedelta(minutes=5)), timedelta(days=1))

    def _client(self, *, account: bool = True) -> ClientV2:
        from acme import client, errors, messages
        from josepy.jwa import ES256
        from josepy.jwk import JWKEC

        key = JWKEC.load(self._key)
        net = client.ClientNetwork(key, alg=ES256, user_agent=self._agent, timeout=_SECONDS)
        if self._ca:
            net.verify_ssl = self._ca  # type: ignore[assignment]  # handed to the HTTP library, which takes a path too
        made = client.ClientV2(client.ClientV2.get_directory(self._directory, net), net)
        if not account:
            return made
        wish: dict[str, Any] = {"terms_of_service_agreed": True}
        if self._binding is not None:
            wish["external_account_binding"] = messages.ExternalAccountBinding.from_data(
                key.public_key(), self._binding[0], self._binding[1], made.directory
            )
        elif made.external_account_required():
            raise OrderFailed("the authority wants an external account: set account_id and account_secret_file")
        registration = messages.NewRegistration.from_data(email=self._contact or None, **wish)
        try:
            made.new_account(registration)
        except errors.ConflictError as known:
            body = messages.Registration.from_data(email=self._contact or None)
            net.account = messages.RegistrationResource(uri=known.location, body=body)
        return made


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Whatever the libraries raise, as one error with a text for the operator."""
    import requests
    from acme import errors, messages
    from josepy.errors import Error as JoseError

    try:
        yield
    except errors.ValidationError as e:
        said = [
            f"{one.body.identifier.value}: {c.error.detail or c.error.typ}"
            for one in e.failed_authzrs
            for c in one.body.challenges
            if c.error is not None
        ]
        raise OrderFailed("the authority could not see the proof: " + "; ".join(said)) from e
    except errors.TimeoutError as e:
        raise OrderFailed("the authority did not decide in time") from e
    except messages.Error as e:
        raise OrderFailed(f"the authority refuses: {e.detail or e.typ}") from e
    except (errors.Error, JoseError) as e:
        raise OrderFailed(f"the authority's answer cannot be used: {type(e).__name__}: {e}"[:300]) from e
    except requests.RequestException as e:
        raise OrderFailed(f"the authority does not answer: {type(e).__name__}: {e}"[:300]) from e
