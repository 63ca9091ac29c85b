"""Every sentence the server says, ready to be written. Codes are RFC 5321's, enhanced codes RFC 3463's and 5248's."""

from __future__ import annotations


def reply(code: int, enhanced: str, text: str) -> bytes:
    """One reply, over several lines if the text has several. Octets that have no place on a reply line are dropped."""
    if len(text) <= 400 and text.isascii() and text.isprintable():
        return (f"{code} {enhanced} {text}\r\n" if enhanced else f"{code} {text}\r\n").encode("ascii")
    lines = [
        "".join(c if " " <= c <= "~" else "?" for c in line)[:400]  # a reply line is at most 512 octets (RFC 5321)
        for line in text.split("\n")
    ]
    head = f"{code}-{enhanced} " if enhanced else f"{code}-"
    last = f"{code} {enhanced} " if enhanced else f"{code} "
    return ("".join(f"{head}{line}\r\n" for line in lines[:-1]) + f"{last}{lines[-1]}\r\n").encode("ascii")


OK = reply(250, "2.0.0", "OK")
RESET = reply(250, "2.0.0", "Reset")
SENDER_OK = reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK = reply(250, "2.1.5", "Recipient OK")
BYE = reply(221, "2.0.0", "Bye")
HELP = reply(214, "2.0.0", "This is Mailward; see RFC 5321 and the extensions that EHLO lists")
CANNOT_VERIFY = reply(252, "2.5.0", "Cannot verify a user, but will accept a message and try to deliver it")
NO_EXPANSION = reply(502, "5.5.1", "EXPN is not offered")
START_TLS = reply(220, "2.0.0", "Ready to start TLS")
START_CONTENT = reply(354, "", "End data with <CR><LF>.<CR><LF>")
AUTHENTICATED = reply(235, "2.7.0", "Authentication succeeded")
CHALLENGE = b"334 \r\n"
CHALLENGE_USERNAME = b"334 VXNlcm5hbWU6\r\n"
CHALLENGE_PASSWORD = b"334 UGFzc3dvcmQ6\r\n"

# Sequence
HELLO_FIRST = reply(503, "5.5.1", "Send EHLO first")
MAIL_FIRST = reply(503, "5.5.1", "Send MAIL first")
RECIPIENT_FIRST = reply(503, "5.5.1", "No valid recipient yet")
ONE_SENDER = reply(503, "5.5.1", "A sender is already given; send RSET to start again")
NO_MIXING = reply(503, "5.5.1", "BDAT has begun; only BDAT or RSET can follow")
NOT_NOW = reply(503, "5.5.1", "Not during a mail transaction")
TLS_ALREADY = reply(503, "5.5.1", "TLS is already active")
AUTH_ALREADY = reply(503, "5.5.1", "Already authenticated")
NO_TLS = reply(502, "5.5.1", "STARTTLS is not offered")
NO_AUTH = reply(502, "5.5.1", "AUTH is not offered")
TLS_FIRST = reply(530, "5.7.0", "Must issue a STARTTLS command first")
AUTH_FIRST = reply(530, "5.7.0", "Authentication required")

# Syntax
UNKNOWN_COMMAND = reply(500, "5.5.1", "Command not recognised")
BAD_LINE = reply(500, "5.5.2", "Control characters in a command")
BARE_LINE = reply(500, "5.5.2", "Lines end in CR LF; closing")
LONG_LINE = reply(500, "5.5.2", "Line too long")
NO_ARGUMENT = reply(501, "5.5.4", "This command takes no argument")
BAD_ARGUMENT = reply(501, "5.5.4", "Syntax error in the argument")
BAD_HELLO = reply(501, "5.5.4", "EHLO and HELO take the name or address literal of the client")
UNKNOWN_PARAMETER = reply(555, "5.5.4", "A parameter is not recognised or not offered")
BAD_CHUNK = reply(501, "5.5.4", "BDAT takes a size and optionally LAST; closing")
NOT_HTTP = reply(500, "5.5.1", "This is not HTTP; closing")

# SASL (RFC 4954)
BAD_MECHANISM = reply(504, "5.5.4", "Only AUTH PLAIN and AUTH LOGIN are offered")
BAD_SASL = reply(501, "5.5.2", "Cannot decode this response")
LONG_SASL = reply(501, "5.5.6", "Authentication exchange line is too long")
AUTH_CANCELLED = reply(501, "5.7.0", "Authentication cancelled")
AUTH_REFUSED = reply(535, "5.7.8", "Authentication credentials invalid")

# Addresses
BAD_SENDER = reply(501, "5.1.7", "Bad sender address syntax")
BAD_RECIPIENT = reply(501, "5.1.3", "Bad recipient address syntax")
SENDER_TOO_LONG = reply(501, "5.1.7", "Sender address too long")
RECIPIENT_TOO_LONG = reply(501, "5.1.3", "Recipient address too long")
SENDER_NEEDS_UTF8 = reply(553, "5.6.7", "A non-ASCII sender needs the SMTPUTF8 parameter")
RECIPIENT_NEEDS_UTF8 = reply(553, "5.6.7", "A non-ASCII recipient needs SMTPUTF8 on MAIL")
SENDER_ROUTE = reply(553, "5.1.7", "Source routes are not accepted")
RECIPIENT_ROUTE = reply(553, "5.1.3", "Source routes are not accepted")
SENDER_TRICK = reply(553, "5.1.7", "Sender address not accepted")
RELAY_TRICK = reply(550, "5.7.1", "Relaying denied")

# Limits
TOO_LARGE = reply(552, "5.3.4", "Message exceeds the size limit")
TOO_LARGE_CLOSING = reply(552, "5.3.4", "Message exceeds the size limit; closing")
NO_ROOM = reply(452, "4.3.1", "Too much mail is under way; please try again later")
TOO_SLOW = reply(421, "4.3.1", "Too slow while much mail is under way; please try again later")
TOO_MANY_RECIPIENTS = reply(452, "4.5.3", "Too many recipients")
TOO_MANY_ERRORS = reply(421, "4.7.0", "Too many errors; closing")
TOO_MANY_COMMANDS = reply(421, "4.7.0", "Too many commands without mail; closing")
BARE_CONTENT = reply(550, "5.6.0", "Bare CR, bare LF or NUL in the message; closing")
SHUTTING_DOWN = reply(421, "4.3.2", "Service is shutting down; closing")
TIMED_OUT = reply(421, "4.4.2", "Timed out; closing")
