"""Runs a plan: the graph, the saga, the gate, and what people see of it. Knows steps, never kinds."""
