"""What stands before every sign-in: tries are counted, strange arrivals weighed, held and told, attacks noticed.

What it guarantees: a try is counted in the store before anything is verified, so that
no number of processes, sources or parallel requests gets more of them; what is not an
account is counted as if it were one; whoever guesses at an account cannot keep its owner
out, whose own browsers and addresses have buckets of their own; every wait ends. A
solved challenge counts once. Rows hold keyed digests where a name or an address would do
as a key. Verbs: count a try, give it back, record a sign-in, hold, confirm, disown, note
what was observed, raise an alert.
"""
