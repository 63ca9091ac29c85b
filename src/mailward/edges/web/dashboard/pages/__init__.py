"""One file an area: its pages and its acts."""
