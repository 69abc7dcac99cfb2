"""The kind `aws.efs`: an EFS file system at each site, of which one follows the other by EFS's own replication.

The copy is read-only until the replication is deleted, which is the failover ("Using the replica", EFS user guide), and
can be asked for in the region of the copy. The way home is a replication in the other direction, onto the old one.
"""

from .provider import EfsProvider

PROVIDER = EfsProvider
