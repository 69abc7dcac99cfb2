"""The kind `aws.drs`: servers that Elastic Disaster Recovery replicates whole to another region, and launches there.

The service launches and replicates; which site serves, in what order, and whether the old one is fenced is not its
business. Source of all that is said of it: its API reference, and "Performing a cross-Region failback" of its user
guide.

DRS calls EC2 in the name of whoever starts a launch: it makes conversion servers, disks and instances, and terminates
the conversion servers. The policies in `infra/aws/policies` allow the calls of this code, and not those; a role that
launches wants AWS's own policies for DRS beside them, and no statement that denies EC2 to terminate. And nothing in IAM
tells the launch of a drill from that of a recovery, so that by these policies a drill may launch only of source servers
that bear a tag `seawall:bubble`.
"""

from .provider import DrsProvider

PROVIDER = DrsProvider
