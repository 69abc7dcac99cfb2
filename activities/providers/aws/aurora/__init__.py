"""The kind `aws.aurora`: an Aurora global database, with one cluster at each site.

Aurora moves the writer itself: by a switchover, which loses nothing and is asked for in the region that writes, or by a
failover with AllowDataLoss, which is asked for in the region that takes over and never needs the lost one.
"""

from .provider import AuroraProvider

PROVIDER = AuroraProvider
