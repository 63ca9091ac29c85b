# ruff: noqa: E501 (patterns are easier to check when one alternative is not cut in two)
"""Texts of refusals as large providers and common servers write them, and what they mean.

The first match counts, so the order matters: what is about us (blocklists, rate,
authentication, our envelope sender, our name in HELO, a header field) stands before what is
about the recipient, because servers mention both in one text. They are matched in lower case
with addresses taken out (`returned/wording.py`). Plain alternations without nested repeats:
linear in the text's length.
"""

from __future__ import annotations

import re

_TABLE: tuple[tuple[str, str], ...] = (
    # One mailbox that gets more than it may says nothing of how much the server takes.
    ("mailbox_busy", r"receiving mail (?:too quickly|at a rate)"),
    # Come back later: greylisting and rates.
    ("greylisted", r"gr[ea]y[- ]?list|postgrey|try again in \d+ seconds? \(grey|temporarily deferred.{0,20}gr[ea]y"),
    (
        "rate_limited",
        r"unusual rate|rate[- ]limit|sending\b.{0,40}\brate that|too many (?:messages|connections|sessions|emails|mails|errors)|"
        r"throttl|exceeded (?:the |its |your )?(?:rate|sending|connection|max(?:imum)? (?:number of )?(?:connections|messages))|"
        r"\bts0[1-4]\b|deferred due to (?:unexpected volume|user complaints)|tempfailed|"
        r"reduce (?:your )?(?:sending )?(?:rate|speed)|sending too (?:fast|quickly)|connection frequency limited|"
        r"max(?:imum)? (?:number of )?(?:concurrent )?connections|temporarily rate|\bs3114|\brp-00[123]\b|slow(?:ing)? down|"
        r"concurrency limit",
    ),
    ("too_many_recipients", r"too many recipients|recipient limit|maximum number of recipients"),
    # TLS, not of the message.
    (
        "encryption_required",
        r"must issue (?:a |the )?starttls|starttls (?:command )?(?:is |must be )?(?:issued |used )?(?:required|first|needed|mandatory)|"
        r"(?:\bencryption|\btls(?:v?[\d.]+)?|\bssl|encrypted (?:connection|session|channel|transport|link)).{0,30}\b(?:required|needed|mandatory)\b|"
        r"\b(?:requires?|must use|must support|needs?|only accepts?|only allows?|insists? on)\b.{0,30}(?:\btls\b|\bstarttls\b|\bencryption\b|\bencrypted (?:connection|session|channel|transport|link))",
    ),
    # About us: lists, authentication, policy.
    (
        "blocklisted",
        r"spamhaus|spamcop|barracuda(?:central| reputation)|sorbs|\buceprotect|\bdnsbl\b|\brbl\b|"
        r"block ?list|black ?list|block list|listed (?:at|by|in|on) |\bs3140\b|\bs3150\b|"
        r"banned sending ip|low reputation of the sending ip|poor (?:ip )?reputation|bad reputation|ip .{0,40}has been blocked|"
        r"\bcs01\b|proofpoint dynamic reputation|client host \[[^\]]{0,60}\] blocked|access denied, banned|hvu:b1|dnsbl:",
    ),
    (
        "auth_failure",
        r"\bdmarc\b|\bdkim\b|\bspf\b|sender policy framework|unauthenticated email|not authenticated|authentication checks|"
        r"authentication information|blocked because the sender is unauthenticated|"
        r"(?:cannot find your|no|missing|invalid) (?:reverse (?:hostname|dns)|ptr|rdns)|"
        r"reverse dns|ptr record|does not resolve to|5\.7\.2[5-9]|without authentication",
    ),
    (
        "auth_failed",
        r"authentication (?:required|credentials invalid|failed)|must authenticate|username and password not accepted",
    ),
    (
        "relay_denied",
        r"relay(?:ing)? (?:access )?(?:is )?(?:denied|not (?:allowed|permitted))|unable to relay|not permitted to relay|"
        r"we do not relay|cannot relay|relaying prohibited|rcpthosts|not a (?:valid )?local domain",
    ),
    ("loop_detected", r"mail loop|loops back|too many hops|hop count|routing loop|loop detected"),
    (
        "sender_rejected",
        r"sender(?:'s)? (?:e-?mail |mail |domain |host )?(?:address )?(?:\S{1,60} )?(?:is |was |has been |has )?(?:rejected|denied|refused|blocked|invalid|unknown|undeliverable|verif|"
        r"not (?:found|valid|verified|allowed|authori[sz]ed|permitted|exist)|does not|doesn't|could not|cannot)|"
        r"\b(?:invalid|bad|unknown|forged|unverified|blocked|this|verify|verifying|verify the|your) sender\b|domain of (?:the |your )?sender|sender'?s? (?:e-?mail |address )?domain|sender address|"
        r"domain name required for|envelope[- ](?:sender|from)|return[- ]?path|verification failed for|bad return|mail from:|\b(?:in|after|to) (?:the )?mail from\b|\bfrom: ?(?:address|domain)|"
        r"\bfrom (?:address|domain)|\b(?:originator|originating) (?:address|domain|user)",
    ),
    # The mailbox.
    (
        "mailbox_full",
        r"over ?quota|quota (?:is )?exceeded|exceeded (?:the |its |their |his |storage )?(?:storage )?(?:quota|storage|mailbox)|"
        r"mailbox (?:is )?(?:full|over)|(?:mail)?box .{0,20}is full|inbox is full|out of storage space|overquotatemp|"
        r"not enough (?:disk )?space in (?:the )?mailbox|quotaexceeded|user.{0,20}is over|mailbox size limit|storage limit exceeded",
    ),
    # The rest that is about us: our name and network, what the message says of itself.
    (
        "content_rejected",
        r"\bheaders?\b|\burl (?:host|domain)|(?:host|domain)(?:name)? (?:of|in) (?:the |a |your )?(?:url|link|message|body)\b",
    ),
    (
        "policy_rejected",
        r"\b(?:helo|ehlo)\b(?! first)|client host|data command rejected|end-of-data|(?:accept|tak|receiv|want)\w{0,3} (?:any |such )?(?:e-?mails?|mails?|messages?) (?:sent |coming )?from|"
        r"\byour (?:e-?mail )?(?:account|domain|ip|ip address|address|host|hostname|network|isp|server|mail server|message|organi[sz]ation) (?:is|was|has|have|does|will|are|could|cannot)\b|"
        r"(?:from|by|of) your (?:e-?mail )?(?:domain|ip|host|network|isp|server|mail server|organi[sz]ation|country)",
    ),
    (
        "inactive_mailbox",
        r"(?:account|mailbox|user|recipient|address)(?: that you tried to reach| you tried to reach)? "
        r"(?:is |has been |was )?(?:currently )?(?:disabled|inactive|suspended|deactivated|discontinued|blocked for inactivity|expired|closed|locked)|"
        r"\bdisabled (?:account|recipient|user|mailbox)|inactive (?:account|user|mailbox)|no longer (?:accepts? (?:e-?)?mail|active|valid|available|in use|on server)|"
        r"mailbox unavailable or access denied due to inactivity|disableduser",
    ),
    (
        "bad_domain",
        r"domain (?:name )?(?:not found|does not exist|unknown|isn't hosted)|unknown domain|host (?:or domain name )?not found|"
        r"unrouteable (?:mail )?domain|no such domain|unknown host|"
        r"relay(?:ing)? denied \(domain|mail for .{0,80} is not accepted here|nullmx|null mx|does not accept (?:any )?(?:e-?)?mail\b(?! (?:from|by|with))",
    ),
    (
        "message_too_large",
        r"message (?:size )?(?:is )?too (?:big|large)|message size exceeds|exceeds? (?:the )?(?:fixed )?maximum (?:message )?size|"
        r"exceeded .{0,30}message size|message (?:length )?exceeds|size limit exceeded|exceeds size limit|larger than",
    ),
    # What they think of the message. Before bad_mailbox: "user unknown" never stands beside "spam" by accident.
    (
        "spam_content",
        r"\bspam\b|likely unsolicited|unsolicited mail|message (?:was )?(?:identified|detected|flagged|classified) as|"
        r"looks like spam|spam(?:my)? (?:message|content)|phish|virus|malware|infected|\bjunk\b|suspicious (?:url|link|content)|"
        r"bulk mail|\bgtube\b|high probability of spam|content .{0,30}(?:blocked|rejected as)|hm08|cloudmark",
    ),
    (
        "bad_mailbox",
        r"user unknown|unknown (?:user|recipient|mailbox|address|local[- ]part)|no such (?:user|recipient|mailbox|person|address|account)|"
        r"(?:user|recipient|mailbox|account|address|email address|e-mail address|email account|mail ?box)(?: that you tried to reach| you tried to reach)?"
        r"(?: \S{1,100})? (?:does not|doesn't|doesnt|not|was not|could not be|is not)(?: be)? (?:exists?|found|known|a valid|valid|listed|active here|recognized)|"
        r"(?:invalid|bad|nonexistent|non-existent|undeliverable) (?:recipient|mailbox|user|address|destination mailbox)|"
        r"recipient (?:address )?(?:rejected: (?:user|undeliverable|unverified|invalid|no such|unknown|verify|access denied\.? as|address)|not found|unknown|invalid)|"
        r"recipientnotfound|recipnotfound|address rejected|no mailbox (?:here|by that name)|not our customer|"
        r"mailbox (?:not found|unavailable|does not exist|unknown)|requested action not taken: mailbox unavailable|"
        r"unrouteable address|no account by that name|isn't (?:a )?(?:valid|known)|invalid mailbox|not a valid mailbox|"
        r"doesn't have a \S{1,40} account|this user doesn't|addressee unknown|no valid recipients|this account is not allowed \(unknown",
    ),
    (
        "storage",
        r"insufficient (?:system )?(?:storage|resources|disk)|disk (?:is )?full|out of (?:disk|memory)|no space|queue file write",
    ),
    ("mailbox_busy", r"mailbox (?:is )?(?:busy|locked|in use)|mailbox.{0,20}temporarily"),
    (
        "server_busy",
        r"(?:server|system|service) (?:is )?(?:too )?(?:busy|overloaded|unavailable|temporarily|shutting|not available|currently)|"
        r"service (?:not available|unavailable|currently unavailable)|high load|load (?:is )?too high|try (?:again )?later|"
        r"temporar(?:y|ily) (?:system |server |local |lookup |internal )?(?:failure|error|problem|unavailable|unable)|resources temporarily",
    ),
    (
        "policy_rejected",
        r"polic(?:y|ies)|administrat(?:ive|or|ively) (?:prohibit|reject|den|block)|access denied|not (?:allowed|accepted|authorized|permitted)|"
        r"prohibited|refused|message rejected|rejected (?:by|due to|for)|blocked|denied|restricted",
    ),
)  # fmt: skip

TEXTS: tuple[tuple[re.Pattern[str], str], ...] = tuple((re.compile(pattern), reason) for reason, pattern in _TABLE)
