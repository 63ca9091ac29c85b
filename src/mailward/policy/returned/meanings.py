# ruff: noqa: E501 (patterns are easier to check when one alternative is not cut in two)
"""What refusals say, in English, and what it means. The first match counts, so the order is part of the table.

Texts are matched in lower case, with addresses taken out and white space made single (`wording.normal`). What is
about us (lists, authentication, rates) and what passes (quota, load) stands before what is about the address,
because servers mention both in one text and only the last is a reason to silence somebody. Plain alternations with
bounded gaps: linear in the length of the text.
"""

from __future__ import annotations

import re

_TABLE: tuple[tuple[str, str], ...] = (
    # Come back later.
    ("greylisted", r"gr[ea]y[- ]?list|postgrey|try again in \d{1,5} seconds|come back later"),
    (
        "rate",
        r"unusual rate|rate[- ]limit|too many (?:messages|connections|sessions|emails|mails|concurrent|unknown|invalid|bad|errors)|throttl|"
        r"exceeded (?:the |its |your )?(?:rate|sending|connection|hourly|daily|max)|(?:is|has been) receiving mail (?:too quickly|at a rate)|"
        r"\bts0[1-4]\b|\brp-00[123]\b|reduce (?:your )?(?:sending )?(?:rate|speed)|sending too (?:fast|quickly)|connection frequency limited|"
        r"concurrency limit|deferred due to user complaints|too much mail|too many recipients|recipient limit|too many simultaneous|slow down|"
        r"(?:max|maximum) (?:number of )?(?:connections|messages|emails|recipients)|hourly limit|daily limit|sending (?:quota|limit)|excessive (?:mail|number|unknown)",
    ),
    ("suppressed", r"suppressed sending|suppression list|address is suppressed|on (?:the|our) suppress"),
    # About us.
    (
        "authentication",
        r"\bdmarc\b|\bdkim\b|\bspf\b|sender policy framework|unauthenticated (?:e-?mail|sender|messages?)|sender is unauthenticated|"
        r"sender id \(pra\)|authentication checks|domainkeys|"
        r"(?:cannot find your|cannot find|no|missing|invalid|forged|generic|without|bad|fix) (?:your )?(?:reverse|rdns|ptr|hostname \(in reverse)|"
        r"reverse[- ]dns|\bptr\b|\brdns\b|reverse (?:lookup|hostname|mapping|map|name)|does not resolve (?:to|address)|no reverse|"
        r"helo command rejected|(?:invalid|bad) helo|dns mismatch|5\.7\.2[0-9]\b",
    ),
    (
        "spam",
        r"likely unsolicited|(?:identified|detected|flagged|classified|considered|marked|tagged|rejected|blocked|refused) (?:as|to be|because it is|for being)(?: \w{1,10})? (?:spam|junk|uce|unsolicited)|looks like spam|high probability of spam|spam (?:message|content)",
    ),
    (
        "blocked",
        r"spamhaus|spamcop|barracuda ?(?:central|networks|reputation)|sorbs|uceprotect|\bdnsbl|\brbls?\b|\bsbl\b|\bpbl\b|\bxbl\b|psbl|njabl|mailspike|"
        r"block ?-?list|black ?-?list|deny ?list|senderbase|senderscore|sender score|talosintelligence|"
        r"(?:is|are|was|were|been|currently) (?:\S{1,40} )?(?:listed|blocked|blacklisted|banned)(?: (?:at|by|in|on|using|due|because|for|from)\b|[.,;!])|"
        r"(?:sending|banned sending|your|client|source|connecting|sender'?s?)(?: \S{1,60})? (?:ip|ips|host|mta|server|network|range)(?: address)?\b[^.:]{0,60}(?:block|reject|banned|denied|reputation|refus|not allowed|suspicious|list)|"
        r"(?:low|poor|bad|ip|sender|domain) (?:ip )?reputation|reputation of|reputation-based|email blocked|mail blocked|message blocked|"
        r"client host .{0,80}(?:rejected|blocked)|client was not|connection refused by policy|ip address (?:has been )?(?:block|ban|reject)|"
        r"\bs3140\b|\bs3150\b|\(s3\d{3}\)|\bas\(\d{3,4}\)|\bbanned\b|blocked (?:by|using|because|due|for|from)|access denied, banned|has blocked|temporarily blocked|hvu:b1|blocked senders?\b|\bcs01\b|proofpoint dynamic|"
        r"cloudmark (?:csi|sender)|open relay|open proxy|dynamic (?:ip|pool|address)|dial-?up|residential|not (?:white ?listed|in (?:our )?whitelist)|whitelist",
    ),
    ("virus", r"\bvirus|malware|\binfected|trojan|\bworm\b|eicar|clamav|forbidden attachment|banned (?:file|attachment)|(?:executable|attachment)[^.]{0,40}(?:not allowed|blocked|rejected|prohibited|forbidden)|illegal attachment|blocked file"),
    (
        "spam",
        r"\bspam(?!\w*@)|spamassassin|likely unsolicited|unsolicited|looks like (?:spam|uce)|phish|\bjunk mail|bulk (?:e-?mail|mail)|\bgtube\b|\buce\b|\bube\b|"
        r"(?:message|mail|e-?mail)(?: content)? (?:was |has been |is )?(?:identified|detected|flagged|classified|considered|suspected) (?:as|to be)|hm08|high probability|"
        r"suspicious (?:url|link|content|message)|bad url|blocked url|surbl|uribl|content (?:filter|rejected|blocked|restriction)|mail content denied|dt:spm",
    ),
    # The mailbox, as it is today.
    (
        "full",
        r"over[ -]?quota|quota[^.]{0,40}(?:exceed|full|reached|limit|violat)|(?:exceed|beyond|over|above)\w*(?: \S{1,20}){0,4}? (?:disk ?)?(?:quota|storage|allocated|allowed space|size limit for mailbox|mailbox (?:size|limit|storage|space))|"
        r"(?:mailbox|mail box|inbox|mail ?folder|account|mail ?drop|maildir|mail spool|user'?s?)[^.]{0,40}\b(?:is |are |was )?(?:full|out of (?:space|storage|disk)|too full)\b|out of storage|overquotatemp|"
        r"not enough (?:disk |storage )?space|insufficient (?:disk |mailbox )?(?:space|quota)(?! on system)|quotaexceeded|size ?limit for (?:this )?mailbox|mailbox (?:size )?limit|"
        r"mailbox (?:size )?(?:has )?exceed|storage (?:space )?(?:limit|quota|full|allocation)|disk space (?:allowance|limit)|storequota|space is full|no room in|disc quota|user has exhausted|"
        r"message would exceed|mailfolder is over the allowed quota|insufficient space|mailbox_full|mailboxfull|mailbox exceeded|exceeded storage|lacks? (?:disk )?space|allowed message count|too many messages in|mail quota|disk quota",
    ),
    ("too_large", r"(?:message|mail|e-?mail|content)(?: (?:size|length|body|header))?(?:,? (?:is|was))? (?:too (?:big|large|long)|[^.]{0,40}exceeds?[^.]{0,50}(?:size|limit|length|maximum|max))|size limit|exceed(?:s|ed)[^.]{0,30}message (?:size|length)|larger than|message length|max(?:imum)? (?:message )?size|oversize|too large|sizeexceed"),
    # The mailbox, switched off: it may come back.
    (
        "disabled",
        r"(?:account|mailbox|mail ?box|user|recipient|address|addressee|subscriber|login|service|inbox)(?:\(s\))?(?: (?:that )?you tried to (?:reach|contact))?(?: \S{1,60})?(?: account)?(?: (?:is|has|was|are|been|currently|temporarily|permanently|now|administratively)){0,4} ?(?:disabled|inactive|suspended|deactivated|de-activated|locked|blocked|frozen|expired|on hold|temporarily limited|restricted|unavailable temporarily|not active|unused|dormant|inactivated|idle)\b|"
        r"\b(?:disabled|inactive|suspended|locked|deactivated|expired) (?:account|recipient|user|mailbox|address|user name|due)|"
        r"not active|inactivity|inactive for|disableduser|status is .{0,10}not.?active|account is not active|delivery to this (?:user|account) has been (?:suspended|disabled)|never logged|not (?:been )?activated|not yet (?:been )?activated|is not currently accepting|not accepting (?:messages|mail|any)|over quota and inactive|extended inactive|unpaid|account_?disabled|not enabled|user is terminated|archived recipient",
    ),
    # Our way to them.
    ("relay_denied", r"relay(?:ing)?(?: \S{1,20}){0,3}? (?:is )?(?:denied|not (?:allowed|permitted)|prohibited|disabled|disallowed|refused|restricted)|relay access|unable to relay|not permitted to relay|(?:do|does|will) not relay|cannot relay|cant relay|can't relay|no relaying|rcpthosts|credentials for relay|(?:does not|doesn't|don't|do not) handle mail for|not an open relay|relayer|not a gateway|non-?local (?:address|recipient)|not (?:a )?(?:valid )?local domain|relay not|insecure mail relay"),
    ("loop", r"mail loop|mailer? loop|loops? back|too many hops|hop count|routing loop|loop detected|looping|excessive (?:hops|recursion)|forwarding loop|too many received|delivered-to|unreasonable|hopcount"),
    # Whom he takes mail from: he lives.
    (
        "filtered",
        r"(?:no longer|not|n't|only) (?:\w{1,12} ){0,2}?(?:accept|receiv|tak|want)\w{0,3} (?:any |such )?(?:mail|e-?mails?|messages?) (?:sent )?(?:from|by) (?!(?:the )?(?:internet|outside|your) (?:gateway|host|server|ip))|"
        r"(?:refuses?|refused|wish(?:es)?|want|blocked|preferences?|rules?|settings?) (?:to (?:receive|get|accept)|of (?:the )?(?:recipient|user)|by (?:the )?(?:recipient|user)'?s?)|(?:recipient|user) (?:preferences|rules|settings|filters?)\b|"
        r"account is protected by|recipient id refuse|(?:you (?:have been|are) )?blocked by (?:the |this )?(?:recipient|user)|only accept(?:s|ing)? (?:e-?)?mails? from|(?:allowed|able) to receive (?:e-?)?mails? from (?:outside|external|the internet)",
    ),
    # There is no such domain.
    (
        "no_mail",
        r"null ?mx|nullmx|does not accept (?:any )?(?:mail|e-?mail|messages)\b(?! from)|doesn't accept (?:any )?(?:mail|e-?mail)\b(?! from)|domain does not accept|no mail accepted|host does not (?:accept|receive) (?:mail|email)|domain[^.]{0,60}never accepts? mail|accepts? no mail|no e-?mail is accepted at",
    ),
    (
        "no_domain",
        r"(?:host|domain|host or domain name|domain name|hostname|mail exchanger|mx)(?: \S{1,80})? (?:was )?not found|host unknown|unknown host|unknown domain|no such (?:domain|host)|domain (?:name )?(?:\S{1,80} )?(?:does not|doesn't|doesnt|is not|no longer) (?:exists?|valid|a valid|registered)|"
        r"(?:non-?existent|nonexistent|invalid|bad) (?:domain|host(?:name)?)\b|nxdomain|bad destination (?:host|system)|unrout(?:e?able|able) (?:mail )?domain|domain (?:is )?(?:unknown|invalid)|illegal (?:host/domain|domain)|no (?:valid )?(?:mx|a or mx|mail exchanger|dns) (?:or a )?(?:records? |hosts? )?(?:for|found|exists?)|couldn't find any host named|couldn't find any host by that name|name or service not known|no address associated with|host name is unknown|unable to (?:find|resolve)[^.]{0,20}(?:host|domain)(?! .{0,20}try)|destination (?:domain|host) (?:is )?(?:unknown|not found|does not exist)|all relevant mx records point to non-existent hosts|domain_not_found|recipient domain (?:not found|does not exist|must exist)|host/domain not found|dns domain .{0,80}does not exist|the domain in the e-?mail address (?:does not|doesn't) exist",
    ),
    # The person went elsewhere.
    ("moved", r"(?:user|recipient|address|mailbox|account|person)[^.]{0,40}(?:has |have )?moved(?: to|,|\.|;|$)|has moved to|(?:address|mailbox) (?:has )?changed to|new (?:e-?mail )?address (?:is|:)|please (?:use|try) (?:the )?new address|5\.1\.6\b|has been replaced by|no longer (?:with|employed|works?)(?! .{0,20}(?:support|valid))|has left (?:the|this) (?:company|organi[sz]ation|university)"),
    # There is no such mailbox.
    (
        "no_mailbox",
        r"(?:user|recipient|addressee|mailbox|account|address|e-?mail(?: address)?|local[- ]?part|receiver|username|user name|destination(?: address)?|alias|name|rcpt|mail ?drop|person|subscriber|employee|member)(?:\(s\))?(?: name)? ?(?:\S{1,60} )?(?:is |was |are )?(?:unknown|not known|unrecogni[sz]ed|nonexistent|non-existent|undefined)\b|"
        r"unknown (?:or illegal |or invalid |local |final |recipient |e-?mail |virtual |relay )?(?:user|recipient|mailbox|account|alias|local[- ]part|addressee|addresses|to address|email address|destination address|username|rcpt)|\bunknown (?:e-?mail )?address(?! error)|\bunknown[- ]user|user[- ]unknown|userunknown|"
        r"no such (?:local |virtual |e-?mail |mail |valid )?(?:user|recipient|mailbox|mail ?box|person|address|account|alias|addressee|local|customer|subscriber|name|id|member|inbox|here)|nosuchuser|no such.{0,12}here\b|"
        r"(?:user|recipient|addressee|mailbox|mail ?box|account|address|e-?mail(?: address| account)?|username|receiver|login|alias|name|person|inbox|destination|intended recipient|id)(?:\(s\))?(?: name)?(?:,? (?:that )?you (?:tried|attempted|are trying|wanted|entered|specified|have)(?: \S{1,12}){0,4})? ?(?:(?!not\b)[^\s.;]{1,60} )?(?:does not|does'?nt|doesn't|doesnt|do not|don't|did not|didn't|not|was not|could not|couldn't|can ?not|is not|isn't|are not|wasn't|were not)(?: be)?(?: \w{1,12})? ?(?:exists?|existing|found|known|a (?:valid|known|registered|current|local)|valid\b|valid (?:mailbox|user|account|address)|listed|located|recogni[sz]ed|registered|hosted|on (?:this|our) (?:server|system)|in (?:our )?(?:directory|database)|looked up|resolved|identified|unique|our customer|match(?:ed)?|available (?:here|anymore|any more|any longer)|local|defined|present)|"
        r"(?:no|not an?) (?:user|mailbox|mail ?box|account|recipient|customer|person|valid recipients?|valid mailbox|existing user|known user|addressee)(?: \S{1,40})? ?(?:here|by|with|at|in|named|on|known|for|found|exists?|called|under|$)|not our customer|not (?:a )?(?:valid|known|local|existing|current) (?:user|mailbox|recipient|account|address|alias)|"
        r"(?:invalid|bad|nonexistent|non-existent|non existent|nonexisting|non-existing|illegal|wrong|unresolvable|undeliverable|unroute?able|false|incorrect|unrecogni[sz]ed) (?:local |final |intended |rcpt |email |e-?mail |mail |destination |to )?(?:recipients?|mailbox|mail ?box|user(?:name)?|user name|address(?:es|ee)?|account|alias|user's name|inbox|destination mailbox|local part|rcpt)|invalidrecipient|invalid final delivery userid|"
        r"recipient(?: address)? (?:rejected: ?(?:user|undeliverable|unverified|invalid|no such|unknown|unknown user|verify failed|mailbox|not found|does not)|invalid)|recip(?:ient)?notfound|recipnotfound|recipient address unknown|rcpt (?:to )?<?>? ?(?:invalid|does not exist)|"
        r"no mailbox (?:here|by that name|found|exists?|with)|no mail ?box\b|mailbox (?:not found|does not exist|unknown|is unknown|invalid|doesn't exist|not available here|unavailable or not local|not exist)|mailboxnotfound|account (?:not found|unavailable or does|deleted|closed|terminated|has been (?:deleted|closed|terminated|removed|cancell?ed))|"
        r"(?:account|mailbox|user|address|recipient|subscriber)(?: \S{1,60})? (?:is |has been |was |has |been )*(?:deleted|closed|terminated|removed|cancell?ed|discontinued|no longer (?:exists?|valid|in use|available|active|used|on (?:the |this )?server|in service|accepts?|accepting|a customer|here|hosted))|no longer (?:in use|on (?:the |this )?server|valid|accepts? (?:e-?mail|mail)|available|exists?|active|a customer|has an account|used|has a mailbox)|"
        r"no account by that name|isn't (?:a )?(?:valid|known)|doesn't have (?:a|an) (?:\S{1,40} )?(?:account|mailbox)|(?:does not|do not|don't|doesn't) have (?:a|an|any|such) (?:valid )?(?:user|account|mailbox|recipient|\S{1,40} account)|this user doesn|addressee unknown|not listed in|not in (?:the )?(?:address ?book|domino directory|name and address book|directory)|unknown in|(?:unable|failed) to (?:find|locate|verify) (?:the |this )?(?:user|recipient|mailbox|account|alias|address)|cannot find (?:the )?(?:user|recipient|mailbox|account|alias)|could(?:n't| not) (?:find|locate) (?:the )?(?:user|recipient|mailbox)|couldn't deliver.{0,20}no such|"
        r"5\.4\.1[^.]{0,20} recipient address rejected: access denied|resolver\.adr\.recip\w*notfound|resolver\.adr\.exrecipnotfound|resolver\.adr\.invalid|badly formatted or (?:does not|doesn't) exist|(?:couldn't|could not|wasn't|was not) be? ?found (?:at|by smtp address lookup)|by smtp address lookup|address does ?not exist|dosn't exist|doesnt exist|can't create output|unknown local part|invalid mailbox path|user path does not exist|mailbox path|no such file or directory|not a (?:registered|valid|known|local|current) (?:\S{1,30} )?(?:user|member|mailbox|address|account|customer|recipient|e-?mail)|unrouteable address|unroutable address|invalid/inactive user|mailbox name not allowed|(?:user|recipient) \(?\S{1,60}\)? not (?:listed|found)|delivery error: dd (?:sorry, your message|this user)|eunknown|no_such_user|user_unknown|unknown_user|address error \d|ambiguous recipient|addressee is unknown|no matches to nameserver query|the recipient name is not recogni[sz]ed|e-?mail address wasn't found|nobody here by that name|who\?|(?:is )?not a valid user|not known at this|not present|never existed|(?:there is|there's) no \S{1,40} (?:here|at)|no users? here|invalid id|invalid rcptto|invalid final delivery userid|has no account|never heard of|not in my validrcptto|(?:addresses|recipients|users) (?:were|are) (?:unknown|invalid)|address (?:is )?invalid|not an active address at|in name directory|user \( ?\) (?:is )?unknown|rejected: account unavailable|spectator does not exist",
    ),
    ("unavailable", r"mailbox (?:is )?unavailable|mailbox not available|requested action not taken"),
    ("sender_refused", r"sender (?:address )?(?:\S{1,60} )?(?:rejected|denied|refused|verify failed|verification failed|is not allowed|blocked|invalid|unknown|domain)|invalid sender|bad sender|domain of sender|envelope sender|return[- ]path|mail from|from address|not accept mail from|unverified sender|sender (?:is )?not (?:verified|allowed|authori[sz]ed|exist)|unable to verify sender|could not (?:complete sender )?verify|cannot verify|originator|reject\w* by (?:the )?recipient"),
    # Their machines.
    ("expired", r"retry (?:timeout|time(?:out)?) exceeded|delivery (?:time )?expired|delivery timed? ?out|message expired|queue (?:lifetime|expired)|could not be delivered (?:for|within|after)|been in the queue too long|i'm not going to try again|no longer retry|giv(?:e|ing|en) up|exceeded maximum time|not delivered within|expired|message timed out|queue too long|undeliverable for|too old|been trying|bounce: too"),
    ("network", r"connection (?:timed out|refused|reset|lost|dropped|was|could|attempts?|failure|closed|died)|timed? ?out|conversation with|network (?:is )?unreachable|no route to host|unable to connect|could ?n[o']t connect|cannot connect|host (?:is )?(?:unreachable|down|not responding|not reachable)|not respond|lost connection|no answer from|bad connection|name server|(?:dns|name) (?:lookup|service|resolution|server)|name service|temporary lookup|mx (?:lookup|record)|unreachable|remote (?:host|server|mail server)[^.]{0,40}(?:closed|did not|failed|not)|no mx|handshake|starttls|\btls\b|smtp connection|communications? (?:failure|error|link)|session (?:was )?(?:closed|timeout|failed)|host found but not responding|servfail"),
    (
        "system",
        r"insufficient (?:system )?(?:storage|resources|disk)|disk full|out of (?:disk|memory)|no space|queue file write|temporar|try (?:again )?later|try again|please retry|local (?:error|configuration|problem)|internal (?:error|server|problem)|system (?:error|fault|config|incorrectly|resources|problem|is down)|server (?:error|busy|is busy|down|unavailable|shutting|overload|config)|service (?:not available|unavailable|currently|temporarily|busy)|overload|high load|load (?:is )?too high|\block|\bbusy|maintenance|out of service|deadlock|i/o error|read-only|write error|can't open|cannot open|permission denied|\bpipe\b|command (?:died|failed|output)|procmail|maildrop|vdelivermail|signal \d|exit (?:status|code)|vacation|database|ldap|backend|misconfig|configuration error|protocol error|bad sequence|unimplemented|command not|syntax error|not implemented|mailer error|local delivery|resources|unexpected|aliasing/forwarding|include file",
    ),
    ("policy", r"\bpolic(?:y|ies)\b|administrat(?:ive|ively)|\bprohibit|access denied|not authori[sz]ed|you are not allowed"),
    ("content", r"(?:message|mail|content|header|format|subject|body|charset|character|encoding|mime|8bit|8-bit|bare lf|line|from|multiple|rfc ?[2-5]?\d{3}|violation|non-compliant|not rfc|duplicate)[^.]{0,40}(?:not allowed|not accepted|rejected|refused|prohibited|blocked|denied|invalid|malformed|missing|required|unsupported|not supported|too long|violat|compliant|illegal|bad|broken)|message format|bare lf|stray newline|transaction failed|smtputf8|internationali[sz]ed"),
    (
        "policy",
        r"polic(?:y|ies)|administrat(?:ive|or|ively)|prohibit|access (?:denied|restricted)|not (?:allowed|accepted|authori[sz]ed|permitted)|no permission|permission|refused|message (?:was )?reject|reject(?:ed|ion)? (?:by|due|for|because|message)|you are not|you do not have|not (?:able|welcome)|blocked|denied|restrict|only (?:accept|member|subscriber|verified|authori)|requires? (?:authentication|sender)|authenticat|closed list|moderat|filter|delivery not auth|security|accountsecur|confidential|resolver\.rst",
    ),
)  # fmt: skip

TEXTS: tuple[tuple[re.Pattern[str], str], ...] = tuple((re.compile(pattern), cause) for cause, pattern in _TABLE)

# Enhanced status (RFC 3463, 3886, 5248, 7372, 7505) without its class, for what no text explained. Only these details
# say that the address itself is dead: 5.1.0, 5.1.4 and 5.2.0 are written for anything.
STATUS: dict[str, str] = {
    "1.1": "no_mailbox",
    "1.2": "no_domain",
    "1.3": "no_mailbox",
    "1.6": "moved",
    "1.7": "sender_refused",
    "1.8": "sender_refused",
    "1.9": "system",
    "1.10": "no_mail",
    "2.0": "filtered",
    "2.1": "disabled",
    "2.2": "full",
    "2.3": "too_large",
    "2.4": "system",
    "3.1": "system",
    "3.2": "system",
    "3.3": "system",
    "3.4": "too_large",
    "3.5": "system",
    "4.1": "network",
    "4.2": "network",
    "4.3": "network",
    "4.4": "network",
    "4.5": "rate",
    "4.6": "loop",
    "4.7": "expired",
    "4.0": "network",
    "5.3": "rate",
    "6.0": "content",
    "6.1": "content",
    "6.2": "content",
    "6.3": "content",
    "6.4": "content",
    "6.5": "content",
    "6.6": "content",
    "6.7": "content",
    "7.7": "content",
    "7.20": "authentication",
    "7.21": "authentication",
    "7.22": "authentication",
    "7.23": "authentication",
    "7.24": "authentication",
    "7.25": "authentication",
    "7.26": "authentication",
    "7.27": "sender_refused",
    "7.28": "rate",
    "7.0": "policy",
    "7.1": "policy",
    "7.2": "policy",
}
REPLY: dict[int, str] = {
    421: "system",
    450: "system",
    451: "system",
    452: "system",
    521: "no_mail",
    523: "too_large",
    552: "full",
    556: "no_mail",
}
