"""Sans-I/O protocol cores: they eat values and return values; DNS is asked by `yield`. No socket, clock, randomness or log."""
