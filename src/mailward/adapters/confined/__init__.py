"""Processes in which strangers' bytes are worked on: limited in memory, time and reach, and replaced when they break.

What it guarantees: a piece of work is done once, in a child that inherited nothing of its parent's memory; whatever
the work needs beyond its limits ends that child and not the worker, and is told as `Exhausted` with the limit it met.
"""
