"""The kind `aws.rds`: one RDS instance at each site, in two regions.

Mode `continuous` keeps a read replica in the other region, modes `interval` and `backup` keep snapshots there. RDS
shows neither rows nor log positions: what is told here of lag comes from CloudWatch, and what nobody measured is null.

Invariant: nothing is overwritten. What stands in the way is renamed, tagged `seawall:abandoned`, and removed by a prune
once it is older than the runbook keeps copies.
"""

from .provider import RdsProvider

PROVIDER = RdsProvider
