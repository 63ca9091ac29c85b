"""Internet messages as bytes: splitting a header, reading addresses, building a
message from a draft, preparing a submitted one, reading the structure for display.

Everything works on bytes with caps, in linear time, and never re-serialises what it
did not write: the body of a submitted message stays as it is, byte for byte, but for
the two rewrites named in `transport` (lines too long for SMTP, servers of seven bits).
What could be read in two ways is refused (`Invalid` with a code), never guessed,
wherever it decides who a message is from; the display side never raises.
"""
