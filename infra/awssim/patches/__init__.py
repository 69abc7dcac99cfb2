"""Where moto's behaviour differs from what AWS documents: one module a service, one small function a method."""

from infra.awssim.patches import (
    aurora,
    autoscaling,
    awslambda,
    cloudformation,
    dynamodb,
    ec2,
    efs,
    eks,
    rds,
    route53,
    s3,
    servicequotas,
    ssm,
)
from infra.awssim.patches.registry import PATCHES, Patch

__all__ = [
    "PATCHES",
    "Patch",
    "apply",
    "aurora",
    "autoscaling",
    "awslambda",
    "cloudformation",
    "dynamodb",
    "ec2",
    "efs",
    "eks",
    "rds",
    "route53",
    "s3",
    "servicequotas",
    "ssm",
]


def apply() -> None:
    """Put every patch in its place. Once, before the first request."""
    for found in PATCHES:
        found.apply()
