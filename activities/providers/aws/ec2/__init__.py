"""The kind `aws.ec2`: instances at each site, which wait stopped (warm) or are launched when they are needed (cold).

Invariants:

* There are never two instances under one name: a launch is looked for by its tags first, and its token is that of one
  name at one place, which the register holds before the call is made.
* No recovery ends an instance. What a run made and undid is stopped and tagged `seawall:abandoned`; `prune` ends it
  when it has lain there for long enough.
* Instances are looked at by page and started by the hundred.
"""

from .provider import Ec2Provider

PROVIDER = Ec2Provider

__all__ = ["PROVIDER", "Ec2Provider"]
