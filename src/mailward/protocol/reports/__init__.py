"""Reading reports about mail: delivery status (RFC 3464), feedback (RFC 5965), and what a message shows of itself.

Every reader takes octets of strangers, reads a bounded part of them in linear time, and
gives what it found: nothing raises, nothing is decided. What it means is said in
`policy/returned`.
"""
