"""The kind `aws.vpc`: the bubble of an isolated drill, in a VPC that was made once and from which nothing leads out.

A run makes no network: it takes this one for as long as the drill lasts, and gives it back empty.
"""

from .provider import PROVIDER

__all__ = ["PROVIDER"]
