"""Route 53: users are sent to a site by records in one or more hosted zones.

The control plane of Route 53, which takes these changes, is in us-east-1 alone; only the answering of names goes on
without it. A failover away from us-east-1 should rest on `aws.arc`, or on failover records with health checks, which
Route 53 follows by itself.
"""

from .provider import Route53Provider

PROVIDER = Route53Provider
