"""A shop that lives in the simulator, as its users meet it: only as far as the simulated resources let it.

The simulator knows of resources and runs nothing. This plays what would run on them, in the simulator's own process,
and reads their state past the API, so that no call of it is among those that are counted. What it plays: a load
balancer at each site, orders in the database, replication with a lag, the answers of Route 53, and the metric by which
the lag is told.
"""
