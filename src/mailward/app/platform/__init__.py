"""What the web edge asks of the platform, one file an area: each method runs core verbs in store transactions."""
