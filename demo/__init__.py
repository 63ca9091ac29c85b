"""`make demo`: real messages through the whole platform in capture mode, from acceptance to explanation."""
