"""The promises. Their states are not here: `verify` computes them."""

from __future__ import annotations

from mailward.core.evidence.model import Control

CATALOGUE: tuple[Control, ...] = (
    # In transit
    Control(
        "TRANSIT-1",
        "Public listeners speak TLS 1.2 or 1.3 with strong suites only; one policy object sets them all.",
        missing="an outside scanner's report kept as evidence",
    ),
    Control(
        "TRANSIT-2",
        "Submission takes neither a password nor mail before TLS, and forgets what was sent ahead of the handshake.",
    ),
    Control(
        "TRANSIT-3",
        "Certificates are obtained and renewed by ACME and served without a restart.",
    ),
    Control(
        "TRANSIT-4", "The MX offers STARTTLS; each received message carries the TLS version and cipher it came by."
    ),
    Control(
        "TRANSIT-5",
        "Delivery uses TLS whenever it is offered, and every attempt keeps its TLS facts.",
        missing="enforcing MTA-STS and DANE; TLS reports",
    ),
    Control(
        "TRANSIT-6",
        "Connections between our own parts are verified TLS, or stay on the machine.",
        missing="a key service on another machine",
    ),
    # At rest
    Control(
        "REST-1",
        "Whatever is written to disk (state, bodies, queue) is AES-256 ciphertext.",
        missing="exports",
        duty="encrypt the volume, and say so",
    ),
    Control(
        "REST-2",
        "Content is sealed under a data key per workspace and day, itself wrapped by a key that can be rotated "
        "while mail flows; destroying the data keys destroys the content.",
        missing="Vault and KMS adapters",
    ),
    # Network
    Control("NET-1", "Only the documented ports listen, and metrics answer on loopback alone."),
    Control(
        "NET-2",
        "Hardened units, container and cluster recipes give each role the least it needs.",
        missing="a recipe for a cluster, units for single roles, and a check of what a running unit may do",
    ),
    Control(
        "NET-3",
        "Strict limits on requests hold with or without a firewall in front.",
        missing="the reference proxy with the OWASP rules",
    ),
    Control(
        "NET-4",
        "Scanning, credential stuffing, spam bursts, key abuse and mass exports raise a named alert.",
        missing="findings of outside detectors",
    ),
    # Availability
    Control(
        "AVAIL-1",
        "A node may die at any instant without losing accepted mail.",
        duty="run nodes, database and object store in more than one zone",
    ),
    Control(
        "AVAIL-2",
        "Each minute is measured by a probe of API, submission and MX, shown against its target, and alerted on by how "
        "fast the error budget burns.",
        missing="a probe from outside the installation",
    ),
    Control(
        "AVAIL-3",
        "The embedded store of any few minutes of the last week can be restored; with PostgreSQL each COMMIT is on "
        "a replica and the log is archived.",
        missing="with PostgreSQL, a restore to a chosen minute",
        duty="name a place for backups on another machine; with PostgreSQL, run replica, archive and restore tests",
    ),
    Control("AVAIL-4", "A domain's mail stays in the region it is pinned to.", missing="regions"),
    Control(
        "AVAIL-5",
        "Encrypted backups are made daily, kept 90 days or as long as is set, and removed then; none holds its key.",
        duty="name a place on another machine, keep the key file apart from it; with PostgreSQL, its own backups",
    ),
    Control(
        "AVAIL-6",
        "The newest backup is restored and compared on a schedule, timed and reported; a failure alerts.",
        duty="with PostgreSQL, restore tests of its own backups",
    ),
    # Authentication
    Control(
        "AUTHN-1",
        "Passwords are kept as Argon2id; those that others know are refused, from lists kept here.",
    ),
    Control(
        "AUTHN-2",
        "Sessions are random tokens stored as hashes, with idle and absolute ends, listed with device and place, "
        "renewed when more is proved, revocable at once.",
    ),
    Control(
        "AUTHN-3",
        "Second factors work once, end what was before them, can be required, and operators have one.",
    ),
    Control(
        "AUTHN-4",
        "Sign-in through Google, GitHub and any OpenID Connect provider; an address links only when it is verified.",
    ),
    Control(
        "AUTHN-5",
        "Guessing is slowed by source and account over all nodes, on web, API and SMTP, and keeps no owner out.",
    ),
    Control("AUTHN-6", "Suspicious attempts are asked for a proof of work, or a question; a solution counts once."),
    Control("AUTHN-7", "Sign-in can be limited to listed networks, and is told to the owner by mail."),
    Control("AUTHN-8", "Unusual sign-ins wait for the owner's confirmation, who can say it was somebody else."),
    Control(
        "AUTHN-9",
        "Taking access away works at the next request or SMTP command.",
    ),
    # API keys
    Control("KEYS-1", "Keys and SMTP passwords are shown once, stored as hashes, and found by secret scanners."),
    Control(
        "KEYS-2",
        "Keys carry scopes, domains, networks and an expiry, are replaced with an overlap, and end at once.",
    ),
    Control("KEYS-3", "A leaked key can be reported by anyone."),
    # Authorisation
    Control(
        "AUTHZ-1",
        "One table says which role may do what; a route without a policy does not start.",
    ),
    Control("AUTHZ-2", "The database refuses any query that is not inside a tenant's scope."),
    Control(
        "AUTHZ-3",
        "Operators have no standing access to content: a grant, a second person, an end, each read in the log.",
        duty="give people no shell on the machine that holds the key file",
    ),
    Control("AUTHZ-4", "Access is reviewed every quarter, and what nobody looked at is suspended."),
    # Input and abuse
    Control(
        "INPUT-1",
        "Input is checked against a published schema, output escaped, pages run no inline script, message HTML is "
        "shown in a sealed frame, and what a stranger names leads us to no private address that is not listed.",
    ),
    Control(
        "INPUT-2",
        "Received mail is read in a limited process, bounded in size, depth, parts, fields and time; what is malformed "
        "is named, and every message is kept octet for octet.",
    ),
    Control(
        "INPUT-3",
        "Every limit on what is submitted or received has its own answer, and a sender address that is not yours is "
        "refused.",
    ),
    Control(
        "INPUT-4",
        "Received mail and the files of what is sent are scanned by embedded rules, and by ClamAV and rspamd where "
        "they are set; what is received and found waits in quarantine, and a scanner that is down is never a pass.",
    ),
    Control(
        "RATE-1",
        "Each workspace has its own rate on every endpoint, over all workers and nodes, told in RateLimit headers.",
    ),
    Control(
        "RATE-2",
        "Submission is limited by source and sender domain; credentials can be bound to networks, and one that bursts "
        "is paused until its owner, who is mailed, releases it.",
    ),
    # Email authentication
    Control(
        "EMAIL-1",
        "Each domain signs all its mail with RSA-2048 and Ed25519 under rotating selectors, never l=.",
        missing="a rotation of this installation seen by outside verifiers",
    ),
    Control(
        "EMAIL-2",
        "A domain's records (SPF, DKIM, DMARC, return path, and for mail to it MTA-STS and TLS-RPT) are generated, "
        "looked up in live DNS and watched; unverified domains send nothing.",
    ),
    Control(
        "EMAIL-3",
        "Received mail is judged by SPF, DKIM, DMARC and ARC; forged verdicts are taken away, ours are handed over.",
    ),
    Control("EMAIL-4", "DMARC reports are read and, where wanted, written.", missing="reports"),
    Control("EMAIL-5", "MTA-STS policies are hosted for receiving domains.", missing="hosting"),
    Control(
        "EMAIL-6",
        "Hard bounces, at once or later, and complaints put the address on the workspace's suppression list; nothing "
        "else does.",
    ),
    Control(
        "EMAIL-7",
        "Broadcast mail carries one-click unsubscribe headers under the signature.",
        missing="the hosted page, topics and consent",
    ),
    Control(
        "EMAIL-8",
        "Opens and clicks are tracked only where a workspace says so, on the customer's own host; without it a body "
        "leaves as it came. A link leads to the target it was signed for and nowhere else, what scanners do is not "
        "counted, and of a recipient who opted out nothing is kept.",
    ),
    Control(
        "EMAIL-9",
        "Received mail becomes a signed HTTP request in CloudMailin's forms or our own, at least once; in session the "
        "endpoint's answer is the sender's. Events are signed alike, and nothing leaves unsigned.",
    ),
    # Logging and detection
    Control(
        "LOG-1",
        "Acts on access, keys, configuration and content are leaves of a signed Merkle tree that anyone can verify.",
        missing="witnesses outside the installation",
    ),
    Control(
        "LOG-2",
        "Logs and metrics are structured and hold no content, address or secret.",
        missing="syslog, OpenTelemetry and traces; the log itself goes to standard output and is not seen from here",
    ),
    Control(
        "LOG-3",
        "Anomalies of sign-ins, keys, sending, exports, bounces and complaints are found, against each one's own "
        "habit, and explained in a sentence.",
    ),
    Control("LOG-4", "Alerts reach whoever is on call.", missing="sending each alert to a person, and rotations"),
    # Incidents
    Control("INCIDENT-1", "Incidents run as a guided record with its deadlines.", missing="the register"),
    Control(
        "INCIDENT-2",
        "Anyone can report a weakness by a form that seals it or by mail to security@ this installation, follows it "
        "with a link, and gets an acknowledgement within two business days, or somebody is alerted.",
    ),
    # Privacy
    Control(
        "PRIVACY-1",
        "Messages and their content are kept for terms each workspace sets, 60 days by default; then rows, search "
        "tokens, the data key of the day and its files go.",
        missing="periods for account data",
    ),
    Control(
        "PRIVACY-2",
        "Subject, addresses, the client's IP and the body of mail, sent and received, are redacted after delivery or "
        "never stored, as each workspace says of each field; mail still flows.",
    ),
    Control("PRIVACY-3", "Everything about a person can be exported and erased.", missing="both"),
    Control(
        "PRIVACY-4",
        "Registers of subprocessors, regions, cookies and requests by authorities are public; who follows them is told "
        "of changes, and what is overdue alerts.",
    ),
    Control("PRIVACY-5", "Every stored field has a declared purpose.", missing="the catalogue of fields"),
    Control("BILLING-1", "No card data ever reaches the platform.", missing="metering into plans, hosted checkout"),
    Control(
        "PEOPLE-1",
        "Whoever operates the installation is vetted, bound and trained, and that is dated.",
        duty="enter what was signed, checked and taught (`mailward operator file`)",
    ),
    # Supply chain
    Control(
        "SUPPLY-1",
        "Every dependency is pinned by hash, and what runs is what was pinned; a register dates reviews and scans, and "
        "an advisory starts a patch deadline.",
        duty="to have every change reviewed before its release",
    ),
    Control(
        "SUPPLY-2",
        "None of our code is native; each native library underneath is listed with the bytes that reach it.",
        missing="keeping the limited process that reads mail from files and the network",
    ),
    # Trust
    Control(
        "TRUST-1",
        "Each promise is a control with a check, run daily; a broken control shows on a public, signed page at the "
        "next run.",
        missing="checks for every promise",
    ),
    Control("TRUST-2", "An auditor can take the evidence home and verify it.", missing="the bundle"),
)
