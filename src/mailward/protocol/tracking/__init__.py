"""Opens and clicks, as bytes: where the links of a message are, the message with others in their place, and the
tokens that say which is which.

What it guarantees: only the address of a link in a text/html part changes, and an image is added to it; every octet
around is what it was. What is signed or encrypted is never touched. A token is good for one message, recipient,
target and host, or for nothing: no character of it can be changed.
"""
