"""The webhook API: machines propose and people act over HTTP, by the same door as every chat. `docs/webhook.md` is for
those who call it."""
