"""Service Quotas: the quotas of EC2, as a new account has them. Nothing in the simulator is held to them."""

from typing import Any

from moto.servicequotas.models import ServiceQuotasBackend

from infra.awssim.patches.registry import Function, patch

RUNNING = {
    "L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5.0),
    "L-DB2E81BA": ("Running On-Demand G and VT instances", 0.0),
    "L-417A185B": ("Running On-Demand P instances", 0.0),
    "L-7295265B": ("Running On-Demand X instances", 0.0),
}
"""In vCPUs."""


@patch(ServiceQuotasBackend, "get_service_quota", "service-quotas", "GetServiceQuota")
def get_service_quota(original: Function, this: Any, service_code: str, quota_code: str) -> Any:
    """The vCPUs that a new account may run: 5 of the standard families, none of G, P and X."""
    if service_code != "ec2" or quota_code not in RUNNING:
        return original(this, service_code, quota_code)
    name, value = RUNNING[quota_code]
    return {
        "ServiceCode": service_code,
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaCode": quota_code,
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
