"""`make bench`: what the orchestrator costs, as a ratio to the same provider calls made directly."""
