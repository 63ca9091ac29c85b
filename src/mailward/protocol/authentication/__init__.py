"""A received message's authentication as one judgement: SPF, DKIM, DMARC and ARC, each with its reason.

`judge` asks DNS in rounds, everything that does not depend on one another at once, each
question once, and no more than a bounded number whatever a stranger publishes. Its
verdicts are values; `results` writes them as Authentication-Results.
"""
