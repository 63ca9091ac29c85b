"""The guard as the platform runs it: over the store, with places, challenges, letters and the watch."""
