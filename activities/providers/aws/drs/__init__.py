"""The kind `aws.drs`: servers that Elastic Disaster Recovery replicates whole to another region, and launches there.

The service launches and replicates; which site serves, in what order, and whether the old one is fenced is not its
business. Source of all that is said of it: its API reference, and "Performing a cross-Region failback" of its user
guide.
"""

from .provider import DrsProvider

PROVIDER = DrsProvider
