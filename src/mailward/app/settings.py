"""Settings: one TOML file, each key also an environment variable, secrets also from files.

`mailward.toml` is looked for at --config, then $MAILWARD_CONFIG, ./mailward.toml and
/etc/mailward/mailward.toml. `MAILWARD_SECTION__KEY=value` overrides `[section] key`, with a
further `__` for each table inside (`MAILWARD_TLS__ACME__DIRECTORY`); `..._FILE=path` takes the
value from a file, unless the key's own name ends so. Unknown keys are errors, and each
setting has a form (`app/forms.py`) that its value must have.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_origin
from urllib.parse import urlsplit

import msgspec

from mailward.app.acme_options import Acme, check_acme
from mailward.app.backup_options import Backup, BackupError, check_backup
from mailward.app.forms import (
    HOST,
    OCTETS,
    RATE,
    SECONDS,
    Address,
    Each,
    Listener,
    Network,
    OneOf,
    OrEmpty,
    Place,
    Route,
    Secret,
    Table,
    Text,
    Url,
    Within,
    Written,
    declared,
    misfits,
)
from mailward.app.forms import Server as NameServer
from mailward.app.identity_providers import ProvidersError, check_providers
from mailward.app.objects import Attachments, Objects, ObjectsError, check_objects
from mailward.app.public_options import Availability, Evidence
from mailward.app.receiving import DEFAULT, Mx, ReceivingError, Scanning, check_receiving, default_listen
from mailward.app.sign_in_options import ChallengeSettings, Geo, PasswordSettings, SignInSettings, check_sign_in
from mailward.policy.attachments import PROGRAMS
from mailward.protocol.reports.sns import is_topic


class SettingsError(Exception):
    """The settings cannot be used; the text says which key and what to do."""


# Worker numbers of a role begin a hundred apart (app/roles.py).
MOST_WORKERS = 100
_ROLES = ("web", "submission", "sender", "upkeep", "mx")
_LEVELS = ("debug", "info", "warning", "warn", "error", "critical", "fatal")
_HOST = "a host name of ASCII letters, digits, dashes and dots"
_TERABYTE = 1 << 40


class Server(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The installation. Without `hostname` it runs in capture mode: nothing leaves the machine."""

    hostname: Annotated[str, Written(HOST, _HOST)] = ""
    data: Annotated[str, Place("")] = ""
    workers: Annotated[int, Within(0, MOST_WORKERS)] = 0
    """Worker processes; 0 means one a core."""
    roles: Annotated[list[str], Each(OneOf(_ROLES), least=1)] = msgspec.field(default_factory=lambda: list(_ROLES))
    user: Annotated[str, OrEmpty(Written(r"[^\s:/]{1,256}", "the name of a user"))] = "mailward"
    """The user to become after binding, when started as root. Empty: stay."""
    log: Annotated[str, OneOf(_LEVELS, any_case=True)] = "info"
    hung_seconds: Annotated[int, Within(2, 86_400, never=0)] = 60
    """A worker or committing process that gave no sign of going on for so long is killed and started anew; 0: never."""


class Http(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """HTTP API and dashboard."""

    listen: Annotated[list[str], Each(Listener())] = msgspec.field(default_factory=list)
    """`address:port`. Default: 127.0.0.1:8080 in capture mode, [::]:443 with a hostname."""
    public_url: Annotated[str, Url()] = ""
    metrics: Annotated[str, OrEmpty(Listener())] = "127.0.0.1:9090"
    """Prometheus metrics, health of each worker; loopback only. Empty: off. Worker n listens n ports higher."""
    trusted_proxies: Annotated[list[str], Each(Network())] = msgspec.field(default_factory=list)
    secure: Annotated[list[str], Each(Listener())] = msgspec.field(default_factory=list)
    """Of `listen`, addresses on loopback that speak HTTPS as those beyond it do; elsewhere on loopback a proxy does."""
    plain: Annotated[list[str], Each(Listener())] = msgspec.field(default_factory=list)
    """Plain HTTP, for an authority's http-01 challenges; everything else is sent on to `public_url`. Default:
    0.0.0.0:80 with `tls.acme` and the challenge http-01, else nowhere."""

    def speaks_tls(self, listener: str) -> bool:
        """Whether one of `listen` speaks HTTPS: beyond loopback always."""
        return listener in self.secure or not is_loopback(split_address(listener, "http.listen")[0])


class Tls(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Certificate and key in PEM files, or an authority that issues them; without either a self-signed pair is made."""

    certificate: Annotated[str, Place()] = ""
    key: Annotated[str, Place()] = ""
    acme: Acme = msgspec.field(default_factory=Acme)


class Submission(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """SMTP submission: `starttls` listeners take AUTH after STARTTLS, `implicit` ones speak TLS from the first byte."""

    starttls: Annotated[list[str], Each(Listener())] = msgspec.field(default_factory=list)
    implicit: Annotated[list[str], Each(Listener())] = msgspec.field(default_factory=list)
    private: Annotated[list[str], Each(Listener())] = msgspec.field(default_factory=list)
    """Off by default. Takes credentials that are a source network, without TLS. Loopback or listed networks only."""
    private_networks: Annotated[list[str], Each(Network())] = msgspec.field(
        default_factory=lambda: ["127.0.0.0/8", "::1/128"]
    )
    max_message_bytes: Annotated[int, OCTETS] = 41_943_040
    max_recipients: Annotated[int, Within(1, 100_000)] = 100
    refused_attachments: Annotated[list[str], Each(Written(r"\.?[^\s/\\]{1,64}", "endings of file names"))] = (
        msgspec.field(default_factory=lambda: list(PROGRAMS))
    )
    """Endings of file names that are refused; an empty list takes every file."""
    max_connections_per_ip: Annotated[int, Within(1, 1_000_000)] = 200
    """Open at once, on all nodes together, from an IPv4 address or an IPv6 /64."""
    idle_seconds: Annotated[float, SECONDS] = 300.0
    session_seconds: Annotated[float, SECONDS] = 3600.0


class Delivery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Sending to the world."""

    paused: bool = False
    """Accept and keep, send nothing: for maintenance."""
    sign: bool = True
    multibuffer: bool = True
    """Sign for several messages at once where the library for it is installed and the processor can."""
    routes: Annotated[dict[str, str], Table(Written(r"[^\s@:/]{1,253}", "names of domains, or *"), Route())] = (
        msgspec.field(default_factory=dict)
    )
    """Fixed routes: `"example.com" = "smarthost.example:25"`, `"*"` for all; wins over MX."""
    allow_networks: Annotated[list[str], Each(Network())] = msgspec.field(default_factory=list)
    """Private networks that mail may be delivered to; otherwise private addresses are refused."""
    sources: Annotated[list[str], Each(Address())] = msgspec.field(default_factory=list)
    """Local addresses to send from; by default the system chooses."""
    resolvers: Annotated[list[str], Each(NameServer())] = msgspec.field(default_factory=list)
    """`address` or `address:port`; default: /etc/resolv.conf."""
    max_age_hours: Annotated[float, Within(0, 8760)] = 120.0
    concurrency: Annotated[int, Within(1, 100_000)] = 200
    """Messages under way at once in a worker. One that waits for a slow server for five seconds leaves its place to
    others: up to five times as many are under way with those, half of them of one workspace."""
    per_destination: Annotated[int, Within(1, 100_000)] = 20
    memory_messages: Annotated[int, Within(1, 10_000_000)] = 3000
    """Messages a worker keeps in memory between accepting and sending; more wait in the store."""
    memory_bytes: Annotated[int, Within(0, _TERABYTE)] = 67_108_864


class WebhookSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Posting to the endpoints of webhooks and of routes of received mail."""

    allow_networks: Annotated[list[str], Each(Network())] = msgspec.field(default_factory=list)
    """Private networks where endpoints may be, for every workspace of the installation; otherwise private addresses are
    refused."""


class Limits(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Rates, each a number per minute (0: none, but failed sign-ins are always limited). And memory."""

    api_per_minute: Annotated[int, RATE] = 6000
    """For a workspace: reads and sends each, writes a tenth of it."""
    api_per_minute_key: Annotated[int, RATE] = 0
    """For one API key, whatever it asks."""
    messages_per_minute: Annotated[int, RATE] = 0
    """For a workspace."""
    messages_per_minute_credential: Annotated[int, RATE] = 0
    """For one API key, SMTP credential or network."""
    smtp_connections_per_minute_ip: Annotated[int, RATE] = 6000
    smtp_messages_per_minute_domain: Annotated[int, RATE] = 60_000
    auth_failures_per_minute_ip: Annotated[int, Within(1, 1_000_000_000)] = 10
    smtp_content_bytes: Annotated[int, Within(0, _TERABYTE)] = 0
    """Message content that a worker's SMTP sessions hold at once; received mail has half of it. 0: 512 MiB, or four of
    the largest messages where that is more."""
    refusals_held_ms: Annotated[int, Within(0, 60_000)] = 500
    """Who is refused more than five times a second is told so many to twice as many milliseconds late. 0: at once."""
    burst_factor: Annotated[int, RATE] = 10
    """A credential is paused when it writes to more recipients in ten minutes than this many times its busiest
    ten minutes of the four weeks before, and to more than `burst_floor`."""
    burst_floor: Annotated[int, RATE] = 1000


class Retention(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How long data is kept, in days from acceptance, where a workspace does not say otherwise."""

    messages_days: Annotated[int, Within(1, 3650)] = 60
    content_days: Annotated[int, Within(1, 3650)] = 60
    """Never longer than the messages, whatever stands here."""


class Feedback(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What relays and providers tell of our mail, beside what comes back to the return-paths."""

    sns_topics: Annotated[list[str], Each(Text())] = msgspec.field(default_factory=list)
    """ARNs of the SNS topics to which SES tells of bounces and complaints. Empty: /v1/inbound/sns is not served."""


class Storage(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where the platform's state lives."""

    kind: Annotated[str, OneOf(("embedded", "postgres"))] = "embedded"
    """`embedded`: an encrypted file in the data folder. `postgres`: a PostgreSQL database, for one node or several."""
    url: Annotated[str, Secret()] = ""
    """`postgresql://mailward_app:password@host/database?sslmode=verify-full`. Best by MAILWARD_STORAGE__URL_FILE."""
    owner_url: Annotated[str, Secret()] = ""
    """The same as mailward_owner. Given, `mailward up` runs migrations; else run `mailward storage migrate` before."""
    ca: Annotated[str, Place()] = ""
    """PEM file with the authorities that may vouch for the database; empty: the system's."""
    plaintext: Annotated[list[str], Each(Address())] = msgspec.field(default_factory=list)
    """Loopback addresses where the database is reached without TLS."""
    pooler: bool = False
    """The address is that of a pooler in transaction mode (pgbouncer)."""
    node: Annotated[int, Within(0, 9999)] = 0
    """The number of this machine among those that share a database: 0 to 9999, each its own."""
    zone: Annotated[str, Text(255)] = ""
    """What fails together with this machine (a rack, a data centre), for `mailward node list`."""
    address: Annotated[str, Address()] = ""
    """The address at which other nodes reach this machine, where its listeners are wildcards: `mailward verify` asks
    every node."""
    committers: Annotated[int, Within(1, 1000)] = 4
    """Connections that commit, of a worker and of the committing process."""
    readers: Annotated[int, Within(1, 1000)] = 4
    """Connections of a worker that read."""


class Settings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """All of `mailward.toml`."""

    server: Server = msgspec.field(default_factory=Server)
    http: Http = msgspec.field(default_factory=Http)
    tls: Tls = msgspec.field(default_factory=Tls)
    submission: Submission = msgspec.field(default_factory=Submission)
    delivery: Delivery = msgspec.field(default_factory=Delivery)
    webhooks: WebhookSettings = msgspec.field(default_factory=WebhookSettings)
    limits: Limits = msgspec.field(default_factory=Limits)
    retention: Retention = msgspec.field(default_factory=Retention)
    feedback: Feedback = msgspec.field(default_factory=Feedback)
    storage: Storage = msgspec.field(default_factory=Storage)
    objects: Objects = msgspec.field(default_factory=Objects)
    attachments: Attachments = msgspec.field(default_factory=Attachments)
    mx: Mx = msgspec.field(default_factory=Mx)
    scanning: Scanning = msgspec.field(default_factory=Scanning)
    geo: Geo = msgspec.field(default_factory=Geo)
    challenge: ChallengeSettings = msgspec.field(default_factory=ChallengeSettings)
    sign_in: SignInSettings = msgspec.field(default_factory=SignInSettings)
    passwords: PasswordSettings = msgspec.field(default_factory=PasswordSettings)
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    availability: Availability = msgspec.field(default_factory=Availability)
    backup: Backup = msgspec.field(default_factory=Backup)

    @property
    def capture(self) -> bool:
        """Capture mode: no hostname is set, so nothing leaves the machine."""
        return not self.server.hostname

    @property
    def endpoint_networks(self) -> list[str]:
        """Private networks that endpoints may be in: those listed, and in capture mode this machine."""
        return [*self.webhooks.allow_networks, *(["127.0.0.0/8", "::1/128"] if self.capture else [])]

    @property
    def hostname(self) -> str:
        """The name we greet with."""
        return self.server.hostname or "mailward.test"

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(self.server.data)

    @property
    def smtp_content_bytes(self) -> int:
        """Octets of message content that a worker's SMTP sessions may hold at once."""
        largest = max(self.submission.max_message_bytes, self.mx.max_message_bytes)
        return self.limits.smtp_content_bytes or max(536_870_912, 4 * largest)

    @property
    def workers(self) -> int:
        """How many worker processes. Upkeep is one set of tasks, whoever runs it: alone, it needs one."""
        return (
            1 if set(self.server.roles) == {"upkeep"} else self.server.workers or min(os.cpu_count() or 1, MOST_WORKERS)
        )


ROLES = frozenset(_ROLES)


def find_config(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    """The settings file in force, or None; SettingsError when a named one is missing."""
    named = explicit or environ.get("MAILWARD_CONFIG")
    if named:
        path = Path(named)
        if not path.is_file():
            raise SettingsError(f"there is no settings file at {path}")
        return path
    for path in (Path("mailward.toml"), Path("/etc/mailward/mailward.toml")):
        if path.is_file():
            return path
    return None


def load(explicit: str | None, environ: Mapping[str, str]) -> Settings:
    """Read file and environment, check, and fill what depends on the mode."""
    path = find_config(explicit, environ)
    raw: dict[str, Any] = {}
    if path is not None:
        try:
            raw = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise SettingsError(f"{path}: {e}") from e
    _overlay(raw, environ)
    try:
        settings = msgspec.convert(raw, Settings, strict=False)
    except msgspec.ValidationError as e:
        raise SettingsError(f"{path or 'environment'}: {_named(str(e))}") from e
    for setting, found in misfits(settings):
        assert setting.form is not None
        raise SettingsError(f"{setting.name}: {setting.form.allowed}" + (f"; not {found}" if found != "it" else ""))
    _complete(settings, environ)
    _check(settings)
    return settings


def _named(text: str) -> str:
    """What the decoder says, the setting's name first."""
    said, at, where = text.partition(" - at `$")
    return f"{where.strip('.`')}: {said}" if at and where.strip(".`") else said


def _overlay(raw: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Put the environment's values over those of the file. A setting may be called `..._file` itself."""
    kinds = {d.name: d.kind for d in declared(Settings)}
    for name, value in environ.items():
        if not name.startswith("MAILWARD_") or "__" not in name:
            continue
        steps = name[len("MAILWARD_") :].lower().split("__")
        text = value
        if ".".join(steps) not in kinds and steps[-1].endswith("_file"):
            steps[-1] = steps[-1].removesuffix("_file")
            text = _content(name, value)
        target = raw
        for depth, step in enumerate(steps[:-1], 1):
            target = target.setdefault(step, {})
            if not isinstance(target, dict):
                raise SettingsError(f"{'.'.join(steps[:depth])}: a table is expected, and {name} sets something in it")
        target[steps[-1]] = _parse(text, kinds.get(".".join(steps)))


def _content(name: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError as e:
        raise SettingsError(f"{name}: {e.strerror}: {path}") from e
    except ValueError as e:
        raise SettingsError(f"{name}: {path!r} cannot be read as a file of UTF-8 text") from e


def _parse(text: str, kind: Any) -> Any:
    """A text as it is; else a TOML value if it reads as one (numbers, booleans, lists), else a comma list."""
    if kind is str:
        return text
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        if kind is not None and get_origin(kind) is not list:
            return text
        return [part.strip() for part in text.split(",")] if text else []


def _complete(settings: Settings, environ: Mapping[str, str]) -> None:
    if not settings.server.data:
        checkout = Path("pyproject.toml").is_file() and Path("src/mailward").is_dir()
        settings.server.data = environ.get("MAILWARD_DATA") or ("data" if checkout else "/var/lib/mailward")
    if settings.capture:
        settings.http.listen = settings.http.listen or ["127.0.0.1:8080"]
        if not (settings.submission.starttls or settings.submission.implicit):
            settings.submission.starttls = ["127.0.0.1:1587"]
            settings.submission.implicit = ["127.0.0.1:1465"]
    else:
        settings.http.listen = settings.http.listen or ["0.0.0.0:443"]
        if not (settings.submission.starttls or settings.submission.implicit):
            settings.submission.starttls = ["0.0.0.0:587"]
            settings.submission.implicit = ["0.0.0.0:465"]
    if settings.mx.listen == [DEFAULT]:
        settings.mx.listen = default_listen(settings.capture)
    acme = settings.tls.acme
    if acme.directory:
        if acme.challenge == "http-01":
            settings.http.plain = settings.http.plain or ["0.0.0.0:80"]
        names = (settings.hostname, urlsplit(settings.http.public_url).hostname or "")
        acme.names = acme.names or list(dict.fromkeys(n for n in names if n))
    if not settings.http.public_url:
        address, port = split_address(settings.http.listen[0])
        scheme = "https" if settings.http.speaks_tls(settings.http.listen[0]) else "http"
        host = settings.server.hostname or as_reached(address)
        settings.http.public_url = f"{scheme}://{host}" + ("" if port == 443 else f":{port}")


def _check(settings: Settings) -> None:
    if bool(settings.tls.certificate) != bool(settings.tls.key):
        raise SettingsError("tls: set both certificate and key, or neither")
    if amiss := check_acme(settings.tls.acme, bool(settings.tls.certificate)):
        raise SettingsError(amiss)
    if unlisted := sorted(set(settings.http.secure) - set(settings.http.listen)):
        raise SettingsError(f"http.secure: {unlisted[0]!r} is not in http.listen")
    largest = max(settings.submission.max_message_bytes, settings.mx.max_message_bytes)
    if settings.smtp_content_bytes < 4 * largest:
        # Received mail has half, and of that the last quarter is for small messages.
        raise SettingsError(f"limits.smtp_content_bytes: at least four messages of {largest} bytes, or 0")
    _check_storage(settings.storage)
    if strange := [topic for topic in settings.feedback.sns_topics if not is_topic(topic)]:
        raise SettingsError(f"feedback.sns_topics: {strange[0]!r} is not the ARN of an SNS topic")
    if settings.objects.url and settings.storage.kind == "embedded":
        raise SettingsError('objects.url: the embedded store keeps bodies in files; set storage.kind = "postgres"')
    try:
        check_objects(settings.objects)
        check_objects(settings.attachments)
        check_receiving(settings.scanning)
        check_providers(settings.sign_in.provider)
        check_backup(settings.backup, data=settings.data, embedded=settings.storage.kind == "embedded")
    except (ObjectsError, ReceivingError, ProvidersError, BackupError) as e:
        raise SettingsError(str(e)) from e
    if amiss := check_sign_in(settings.challenge, settings.sign_in):
        raise SettingsError(amiss)
    for text in settings.submission.private:
        address, _ = split_address(text, "submission.private")
        if not (is_loopback(address) or any(_inside(address, n) for n in settings.submission.private_networks)):
            raise SettingsError(f"submission.private: {address} is neither loopback nor inside private_networks")
    if settings.http.metrics and not is_loopback(split_address(settings.http.metrics, "http.metrics")[0]):
        raise SettingsError("http.metrics: metrics bind to loopback only")
    _check_ports(settings)


def _check_ports(settings: Settings) -> None:
    """SettingsError when two listeners of the roles that run here want the same port of an address."""
    taken: dict[int, list[tuple[str, str]]] = {}
    for where, role, listen in (
        ("http.listen", "web", settings.http.listen),
        ("http.plain", "web", settings.http.plain),
        ("submission.starttls", "submission", settings.submission.starttls),
        ("submission.implicit", "submission", settings.submission.implicit),
        ("submission.private", "submission", settings.submission.private),
        ("mx.listen", "mx", settings.mx.listen),
        ("http.metrics", "", [settings.http.metrics] if settings.http.metrics else []),
    ):
        for text in listen:
            address, port = split_address(text, where)
            if not port or (role and role not in settings.server.roles):
                continue
            for other, there in taken.setdefault(port, []):
                if _same_place(address, there):
                    raise SettingsError(f"{where}: port {port} of {address} is taken by {other} ({there})")
            taken[port].append((where, address))


def _same_place(a: str, b: str) -> bool:
    """Whether both cannot be listened on at once: one address, or every address of a kind and one of it."""
    import ipaddress

    one, two = ipaddress.ip_address(a), ipaddress.ip_address(b)
    return one == two or (one.version == two.version and (one.is_unspecified or two.is_unspecified))


def _check_storage(storage: Storage) -> None:
    if storage.kind == "postgres" and not storage.url:
        raise SettingsError("storage.url: postgres needs the address of the database")
    if storage.kind == "embedded" and (storage.url or storage.owner_url):
        raise SettingsError('storage.url: set storage.kind = "postgres" to use it')


def _inside(address: str, network: str) -> bool:
    import ipaddress

    ip, net = ipaddress.ip_address(address), ipaddress.ip_network(network)
    return ip.version == net.version and ip in net


def as_reached(address: str) -> str:
    """What a client on this machine connects to: nobody can be told to connect to every address at once."""
    return "localhost" if address in ("0.0.0.0", "[::]", "::") else address  # noqa: S104  # compared, not bound


def split_address(text: str, where: str = "address") -> tuple[str, int]:
    """`host:port` or `[v6]:port` into its parts; SettingsError naming `where` otherwise."""
    import ipaddress

    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError as e:
        raise SettingsError(f"{where}: {text!r} is not address:port") from e
    if not 0 <= number <= 65535:
        raise SettingsError(f"{where}: port {number} is out of range")
    return host, number


def is_loopback(address: str) -> bool:
    """127.0.0.0/8 or ::1."""
    import ipaddress

    return ipaddress.ip_address(address).is_loopback
