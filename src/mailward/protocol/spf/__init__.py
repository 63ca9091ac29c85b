"""SPF (RFC 7208): may this client send mail that names this domain in HELO or MAIL FROM?

`check_host` walks the published policy, asking DNS by `yield`; `check_mail_from` and
`check_helo` are the two identities. Every verdict carries the mechanism that decided
and a sentence. Bounded whatever a stranger publishes: ten terms that ask DNS, two void
answers, ten hosts of an MX or PTR, and a record no longer than 4 KiB. DNS that does not
answer is temperror, never "no policy".
"""
