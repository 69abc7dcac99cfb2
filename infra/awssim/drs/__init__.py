"""Elastic Disaster Recovery: servers that are replicated to another region, and what is launched of them there.

An instance with the tag `awssim:drs` has the agent: the region that the tag names has a source server of it. A source
server is INITIAL_SYNC for the delay `drs.sync`, and STALLED while its machine does not run. It has a snapshot of every
second, of which the last sixty are kept. A job is over after the delay `drs.job`; what it launches are instances of
moto, in the subnet of the server's launch template, and what was launched of a server before is ended by it.

Sources: API reference of Elastic Disaster Recovery; "Performing a cross-Region failback" of its user guide. Which error
refuses what is not documented everywhere; here it is `ConflictException` where the model has no other.
"""

from infra.awssim.drs.service import Recovery

__all__ = ["Recovery"]
