"""How connections at once are parted among nodes: a share that each gives out itself, and a pool that all draw from."""

from __future__ import annotations


def share_of(most: int, nodes: int) -> int:
    """What one of so many nodes lets a source open without asking the others: of `most`, half is parted so."""
    return most if nodes < 2 else max(1, most // (2 * nodes))


def pool_of(most: int, nodes: int) -> int:
    """What is left for whoever asks first. Shares and pool make `most`, unless there are more nodes than that."""
    return max(0, most - max(1, nodes) * share_of(most, nodes))


def block_of(most: int) -> int:
    """How many are drawn from the pool ahead of need, and how many may be let in while the store has not answered."""
    return max(1, most // 16)
