"""Sans-I/O protocol cores: values in, values out; DNS is asked by `yield`. No socket, clock, randomness or log."""
