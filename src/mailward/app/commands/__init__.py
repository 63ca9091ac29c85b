"""The commands of `mailward`, one file an area."""
