"""Two real sites on the loopback addresses of one machine: processes that really die, links that really hang."""
