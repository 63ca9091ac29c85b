"""Opens and clicks: what a workspace wants tracked, who does not want to be, and what was seen.

What it guarantees: nothing is tracked unless somebody of the workspace said so; a recipient who opted out is not
tracked any more, in mail to come and in mail that was sent; what is kept of an open or a click is when, which copy
and link, and whether a program did it: no address it came from, no agent beyond a word. It lives as long as its
message.
Verbs: modes, change_modes; opt_out, opt_in, opted_out; seen.
"""
