"""From errors to SMTP replies: the only place. A stranger reads `public`; `detail` and class names stay inside.

Unavailable 451 4.3.0 | LimitReached 451 4.7.1 (421 4.7.0 for connections and AUTH) | Unauthenticated 535 5.7.8
Forbidden 550 5.7.1   | TooLarge 552 5.3.4     | Invalid, Conflict, NotFound: by code, else 550 5.7.1 or 554 5.6.0
anything else         | 451 4.3.0 "internal error"
"""

from __future__ import annotations

from mailward.base import errors
from mailward.protocol.smtp.replies import AUTH_REFUSED, reply

# By error code, where the class alone says too little. 4yz only where the same message may pass later.
_BY_CODE: dict[str, tuple[int, str]] = {
    "invalid_address": (553, "5.1.3"),
    "no_recipients": (554, "5.5.1"),
    "recipient_suppressed": (550, "5.7.1"),
    "too_many_recipients": (452, "4.5.3"),
    "mail_loop": (554, "5.4.6"),
    "smtputf8_required": (550, "5.6.7"),
    "quota_exceeded": (452, "4.7.1"),
    "attachment_type_refused": (554, "5.7.0"),
    "credential_paused": (450, "4.7.1"),
    "recipient_unknown": (550, "5.1.1"),
    "relay_denied": (550, "5.7.1"),
    "recipient_apart": (452, "4.5.3"),
    "tls_required": (530, "5.7.0"),
    "header_too_large": (552, "5.3.4"),
    "too_many_headers": (554, "5.6.0"),
    "malware_refused": (554, "5.7.0"),
    "spam_refused": (550, "5.7.1"),
    "dmarc_refused": (550, "5.7.26"),  # RFC 7372: the checks of RFC 7489 and its successor failed
    "dmarc_unknown": (451, "4.4.3"),
    "scanner_down": (451, "4.7.0"),
    "judgement_slow": (451, "4.3.2"),
    "template_error": (550, "5.6.0"),
    "template_too_costly": (550, "5.6.0"),
    "template_layout": (550, "5.6.0"),
    "template_missing": (550, "5.6.0"),
    "template_version_invalid": (550, "5.6.0"),
    "template_data_invalid": (550, "5.6.0"),
    "template_data_too_large": (550, "5.6.0"),
    "template_with_files": (550, "5.6.0"),
    "template_not_found": (550, "5.6.0"),
    "template_not_published": (550, "5.6.0"),
    "template_version_not_found": (550, "5.6.0"),
    "endpoint_refused": (554, "5.7.1"),
    "endpoint_deferred": (450, "4.3.0"),
}
INTERNAL_ERROR = reply(451, "4.3.0", "Internal error; try again later")
NO_ACCESS = reply(554, "5.7.1", "No access from this network")
REVOKED = reply(421, "4.7.0", "The credential is no longer valid; closing")


def translate(error: BaseException) -> bytes:
    """The reply to MAIL, RCPT or content for an error raised by the gate."""
    match error:
        case errors.MailwardError(code=code, public=public) if code in _BY_CODE:
            return reply(*_BY_CODE[code], public)
        case errors.Unauthenticated():
            return AUTH_REFUSED
        case errors.LimitReached():
            return reply(451, "4.7.1", error.public)
        case errors.TooLarge():
            return reply(552, "5.3.4", error.public)
        case errors.Forbidden() | errors.NotFound():
            return reply(550, "5.7.1", error.public)
        case errors.Refused():  # Invalid, Conflict: the content is at fault, as addresses have codes of their own
            return reply(554, "5.6.0", error.public)
        case errors.Unavailable():
            return reply(451, "4.3.0", error.public)
        case _:  # Corrupt, and what nobody foresaw
            return INTERNAL_ERROR


def translate_auth(error: BaseException) -> bytes:
    """The reply to AUTH. A refusal is always the same sentence, whatever the reason."""
    match error:
        case errors.LimitReached():
            return reply(421, "4.7.0", error.public)
        case errors.Refused():
            return AUTH_REFUSED
        case errors.Unavailable():
            return reply(454, "4.7.0", error.public)  # RFC 4954 section 6
        case _:
            return reply(454, "4.7.0", "Internal error; try again later")


def translate_connection(error: BaseException) -> bytes:
    """The greeting that turns a connection away."""
    match error:
        case errors.LimitReached():
            return reply(421, "4.7.0", error.public)
        case _:
            return reply(421, "4.3.0", "Service not available; try again later")
