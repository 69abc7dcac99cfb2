"""Deterministic code: it decides and never touches the world. See docs/architecture.md."""
