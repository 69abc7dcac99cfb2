"""Service Quotas of EC2 and Fargate, as a new account has them. Nothing in the simulator is held to them."""

from typing import Any

from moto.servicequotas.models import ServiceQuotasBackend

from infra.awssim.patches.registry import Function, patch

SERVICES = {"ec2": "Amazon Elastic Compute Cloud (Amazon EC2)", "fargate": "AWS Fargate"}
QUOTAS = {
    ("ec2", "L-1216C47A"): ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5.0),
    ("ec2", "L-DB2E81BA"): ("Running On-Demand G and VT instances", 0.0),
    ("ec2", "L-417A185B"): ("Running On-Demand P instances", 0.0),
    ("ec2", "L-7295265B"): ("Running On-Demand X instances", 0.0),
    ("ec2", "L-34B43A08"): ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 5.0),
    ("fargate", "L-3032A538"): ("Fargate On-Demand vCPU resource count", 6.0),
    ("fargate", "L-36FBB829"): ("Fargate Spot vCPU resource count", 6.0),
}
"""In vCPUs."""


@patch(ServiceQuotasBackend, "get_service_quota", "service-quotas", "GetServiceQuota")
def get_service_quota(original: Function, this: Any, service_code: str, quota_code: str) -> Any:
    """The vCPUs that a new account may run: 5 of the standard families, none of G, P and X, and 6 of Fargate."""
    if (service_code, quota_code) not in QUOTAS:
        return original(this, service_code, quota_code)
    name, value = QUOTAS[service_code, quota_code]
    usage = {"Service": "Fargate", "Type": "Resource", "Resource": "vCPU", "Class": name.split()[1]}
    metric = {"MetricNamespace": "AWS/Usage", "MetricName": "ResourceCount", "MetricDimensions": usage}
    return {
        "ServiceCode": service_code,
        "ServiceName": SERVICES[service_code],
        "QuotaCode": quota_code,
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        **({"UsageMetric": metric} if service_code == "fargate" else {}),
    }
