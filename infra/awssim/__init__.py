"""`awssim`: two AWS regions and more in one process, for tests and demonstrations. See docs/awssim.md."""
