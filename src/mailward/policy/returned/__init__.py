"""What comes back to a return-path, and what it means: bounces in every form, automatic answers, complaints.

`classify` is a pure function of the message's octets: it reads at most one mebibyte, in
linear time, and never raises. Its rule of conduct is that silencing an address that
lives is worse than missing one that does not. So `hard` needs words or a status code that
say *this mailbox or domain does not exist*; what is temporary, what contradicts itself,
what is about the sender, the content or the server, and what is not understood, is
something else. The tables are the program: `meanings` and `languages` (texts of
refusals), `notices` (what kind of mail it is), `codes` (which of several codes counts).
"""

from mailward.policy.returned.classify import classify
from mailward.policy.returned.model import BounceVerdict, Kind, RecipientVerdict

__all__ = ["BounceVerdict", "Kind", "RecipientVerdict", "classify"]
