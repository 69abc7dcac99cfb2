"""How a verb is done for a kind of component: one folder a kind, found by name, loaded when named."""
