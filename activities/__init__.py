"""All I/O. Each module does one verb; `providers/` knows how a verb is done for a kind of component."""
