"""Settings, wiring, process roles and the command line: the only place that knows everything."""
