"""The machine we run on: its clock, its random source, its threads for slow work."""
