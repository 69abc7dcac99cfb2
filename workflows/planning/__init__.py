"""Pure functions: a runbook and what was observed go in, a plan or a refusal comes out. No I/O, no clock."""
