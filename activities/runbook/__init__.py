"""The parts of reading a runbook; `activities.runbook_file` puts them together."""
