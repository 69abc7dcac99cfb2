"""Is everything there that the settings name, and can it be used?"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.base import now
from workflows.model.failure import Code
from workflows.model.observed import Finding

EXPIRES_SOON = timedelta(days=14)


async def register(aws: Aws) -> list[Finding]:
    """The table that says which epoch may act."""
    table = aws.site.register_table
    try:
        await aws.read("dynamodb", "describe_table", TableName=table)
    except Refused as error:
        if error.code is not Code.NOT_FOUND:
            raise
        sentence = f"The table {table} is not in {aws.region}: no step could say which run it belongs to."
        return [_block("REGISTER_MISSING", sentence, "Make it with infra/aws.")]
    return []


async def of_all(aws: Aws, ids: Mapping[str, set[str]]) -> list[Finding]:
    """Every sort with as few calls as AWS lets us."""
    balancers, lost = await _target_groups(aws, ids.get("target group", set()))
    return [
        *lost,
        *await _images(aws, ids.get("image", set())),
        *await _subnets(aws, ids.get("subnet", set())),
        *await _groups(aws, ids.get("security group", set())),
        *await _instances(aws, ids.get("instance", set())),
        *await _keys(aws, ids.get("key", set())),
        *await _certificates(aws, ids.get("certificate", set()) | await _of_listeners(aws, balancers)),
    ]


async def _images(aws: Aws, ids: set[str]) -> list[Finding]:
    if not ids:
        return []
    found = await aws.pages("ec2", "describe_images", "Images", Filters=_filter("image-id", ids))
    states = {one["ImageId"]: one.get("State", "") for one in found}
    return [
        *_missing("image", ids, states, aws.region, "Copy it to the region, and name the copy in the runbook."),
        *(
            _block("IMAGE_NOT_READY", f"The image {name} is {state}.", "Wait for it, or copy it again.")
            for name, state in sorted(states.items())
            if state != "available"
        ),
    ]


async def _subnets(aws: Aws, ids: set[str]) -> list[Finding]:
    if not ids:
        return []
    found = await aws.pages("ec2", "describe_subnets", "Subnets", Filters=_filter("subnet-id", ids))
    return _missing("subnet", ids, {one["SubnetId"] for one in found}, aws.region, "Check the runbook.")


async def _groups(aws: Aws, ids: set[str]) -> list[Finding]:
    if not ids:
        return []
    found = await aws.pages("ec2", "describe_security_groups", "SecurityGroups", Filters=_filter("group-id", ids))
    return _missing("security group", ids, {one["GroupId"] for one in found}, aws.region, "Check the runbook.")


async def _instances(aws: Aws, ids: set[str]) -> list[Finding]:
    if not ids:
        return []
    found = await aws.pages("ec2", "describe_instances", "Reservations", Filters=_filter("instance-id", ids))
    alive = {
        one["InstanceId"]
        for reservation in found
        for one in reservation["Instances"]
        if one["State"]["Name"] not in ("terminated", "shutting-down")
    }
    return _missing("instance", ids, alive, aws.region, "Name the instance that took its place.")


async def _keys(aws: Aws, ids: set[str]) -> list[Finding]:
    found: list[Finding] = []
    for key in sorted(ids):
        try:
            state = (await aws.read("kms", "describe_key", KeyId=key))["KeyMetadata"]["KeyState"]
        except Refused as error:
            if error.code is not Code.NOT_FOUND:
                raise
            found += _missing("key", {key}, set(), aws.region, "A key is used in its own region only: make one there.")
            continue
        if state != "Enabled":
            found.append(_block("KEY_UNUSABLE", f"The key {key} is {state}.", "Enable it, or name another."))
    return found


async def _target_groups(aws: Aws, groups: set[str]) -> tuple[set[str], list[Finding]]:
    """The balancers in front of them. One by one, since a list that names an unknown one is refused as a whole."""
    balancers: set[str] = set()
    found: list[Finding] = []
    for group in sorted(groups):
        try:
            told = await aws.read("elbv2", "describe_target_groups", TargetGroupArns=[group])
        except Refused as error:
            if error.code is not Code.NOT_FOUND:
                raise
            found += _missing("target group", {group}, set(), aws.region, "Name that of the region's load balancer.")
            continue
        balancers |= {balancer for one in told["TargetGroups"] for balancer in one.get("LoadBalancerArns", [])}
    return balancers, found


async def _of_listeners(aws: Aws, balancers: set[str]) -> set[str]:
    """The certificates that users meet there."""
    certificates: set[str] = set()
    for balancer in sorted(balancers):
        listeners = await aws.pages("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=balancer)
        certificates |= {one["CertificateArn"] for listener in listeners for one in listener.get("Certificates", [])}
    return {one for one in certificates if ":acm:" in one}


async def _certificates(aws: Aws, ids: set[str]) -> list[Finding]:
    found: list[Finding] = []
    for arn in sorted(ids):
        try:
            one = (await aws.read("acm", "describe_certificate", CertificateArn=arn))["Certificate"]
        except Refused as error:
            if error.code is not Code.NOT_FOUND:
                raise
            found += _missing("certificate", {arn}, set(), aws.region, "Certificates are regional: ask for one there.")
            continue
        found += _of_certificate(arn, one)
    return found


def _of_certificate(arn: str, one: Mapping[str, Any]) -> list[Finding]:
    ends = one.get("NotAfter")
    if one.get("Status") != "ISSUED":
        return [_block("CERTIFICATE_UNUSABLE", f"The certificate {arn} is {one.get('Status')}.", "Renew it.")]
    if ends is not None and ends < now() + EXPIRES_SOON:
        sentence = f"The certificate {arn} ends on {ends:%Y-%m-%d}."
        return [Finding(code="CERTIFICATE_ENDS", sentence=sentence, next_step="Renew it.", blocking=ends < now())]
    return []


def _missing(what: str, wanted: set[str], found: Iterable[str], region: str, next_step: str) -> list[Finding]:
    code = f"{what.upper().replace(' ', '_')}_MISSING"
    return [
        _block(code, f"The {what} {name} is not in {region}.", next_step) for name in sorted(wanted.difference(found))
    ]


def _filter(name: str, values: set[str]) -> list[dict[str, Any]]:
    """A filter names what is missing by leaving it out; a list of ids would fail as a whole."""
    return [{"Name": name, "Values": sorted(values)}]


def _block(code: str, sentence: str, next_step: str) -> Finding:
    return Finding(code=code, sentence=sentence, next_step=next_step, blocking=True)
