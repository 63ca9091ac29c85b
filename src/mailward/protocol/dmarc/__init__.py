"""DMARC (RFC 9989): is the domain in From the one that SPF or DKIM vouch for, and what does its owner ask for if not?

Records are found by the DNS tree walk, eight questions at most, not by a list of public
suffixes; np, psd and t are honoured, pct is not. A message whose From names no single
author, or that repeats a field mail programs show, never passes: its readers would
disagree on whom it is from. DNS that does not answer is temperror, neither pass nor fail.
Reports are not sent from here; the addresses are read for whoever does.
"""
