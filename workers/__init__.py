"""Processes: they wire. The worker, the command line, and the Temporal client that both use."""
