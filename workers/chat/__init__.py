"""ChatOps: the gateway between Slack and Seawall. Nothing that a recovery does waits for it."""
