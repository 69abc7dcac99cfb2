"""`seawall demo`: a real application, a real disaster, a real recovery, and the clients' own measurement beside it."""
