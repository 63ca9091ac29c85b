"""We call the world: storage, network, keys, host."""
