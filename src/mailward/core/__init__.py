"""What the platform does, in verbs over transaction ports. No driver, no framework."""
