"""Route 53: a batch of changes is checked against what stands, and is applied wholly or not at all.

Invariant: `zone.rrsets` is only ever replaced by the outcome of a whole valid batch, under one lock.
"""

import json
import threading
import time
import uuid
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.route53.exceptions import (
    DnsNameInvalidForZone,
    InvalidActionValue,
    ResourceRecordAlreadyExists,
    Route53ClientError,
)
from moto.route53.models import HostedZoneIdentifier, RecordSet, Route53Backend
from moto.route53.responses import Route53
from moto.route53.utils import validate_domain_name

from infra.awssim import states
from infra.awssim.patches.registry import Function, patch

_changes: dict[str, tuple[Any, float]] = {}
_one_batch = threading.Lock()


@patch(Route53Backend, "change_resource_record_sets", "route53", "ChangeResourceRecordSets")
def change_resource_record_sets(original: Function, this: Any, zoneid: str, change_list: list[dict[str, Any]]) -> None:
    """All or nothing; CREATE of what exists and DELETE of what does not match are refused: `InvalidChangeBatch`."""
    del original
    zone = this.get_hosted_zone(zoneid)
    with _one_batch:
        records = {_identity(record): record for record in zone.rrsets}
        for change in change_list:
            _apply(zone, records, change)
        zone.rrsets = list(records.values())


def _apply(zone: Any, records: dict[tuple[Any, ...], Any], change: dict[str, Any]) -> None:
    """One change, on a copy of the zone's records."""
    wanted = _record(zone, change["ResourceRecordSet"])
    key = _identity(wanted)
    found = records.get(key)
    match change["Action"]:
        case "CREATE" if found is not None:
            raise ResourceRecordAlreadyExists(name=wanted.name, _type=wanted.type)
        case "CREATE" | "UPSERT":
            records[key] = wanted
        case "DELETE" if found is None:
            raise _cannot_delete(wanted, "it was not found")
        case "DELETE" if _contents(found) != _contents(wanted):
            raise _cannot_delete(wanted, "the values provided do not match the current values")
        case "DELETE":
            del records[key]
        case other:
            raise InvalidActionValue(other)


def _record(zone: Any, given: dict[str, Any]) -> Any:
    validate_domain_name(given["Name"], code="InvalidChangeBatch")
    name = given["Name"].rstrip(".")
    if not (name == zone.name.rstrip(".") or name.endswith(f".{zone.name.rstrip('.')}")):
        raise DnsNameInvalidForZone(name=given["Name"], zone_name=zone.name)
    values = [record["Value"] for record in given.get("ResourceRecords") or []]
    return RecordSet({**given, "Name": f"{name}.", "ResourceRecords": values})


def _identity(record: Any) -> tuple[Any, ...]:
    return record.name.lower(), record.type, record.set_identifier


def _contents(record: Any) -> dict[str, str]:
    """All that AWS wants repeated in a DELETE; the order of values means nothing, nor the dot at the end of a name."""
    kept = {key: value for key, value in vars(record).items() if value not in (None, [], {}) and key != "name"}
    if record.alias_target:
        target = record.alias_target["DNSName"].rstrip(".").lower()
        kept["alias_target"] = {**record.alias_target, "DNSName": target}
    kept["records"] = sorted(record.records)
    return {key: json.dumps(value, sort_keys=True, default=str) for key, value in kept.items()}


def _cannot_delete(record: Any, why: str) -> Route53ClientError:
    text = f"[Tried to delete resource record set [name='{record.name}', type='{record.type}'] but {why}]"
    return Route53ClientError("InvalidChangeBatch", text)


@patch(HostedZoneIdentifier, "generate", "route53", "CreateHostedZone")
def generate(original: Function, this: Any, *args: Any, **kwargs: Any) -> str:
    """The id of a zone begins with Z, so that it is told from those of other things."""
    return f"Z{original(this, *args, **kwargs)[1:]}"


def _submitted(original: Function, this: Any) -> Any:
    """A change has an id of its own and is PENDING until its delay is over."""
    result = original(this)
    submitted = utcnow()
    change = f"C{uuid.uuid4().hex[:20].upper()}"
    _changes[change] = (submitted, time.monotonic())
    result.result["ChangeInfo"] = {"Id": f"/change/{change}", "Status": "PENDING", "SubmittedAt": submitted}
    return result


for _method, _operation in (
    ("change_resource_record_sets", "ChangeResourceRecordSets"),
    ("create_hosted_zone", "CreateHostedZone"),
    ("associate_vpc_with_hosted_zone", "AssociateVPCWithHostedZone"),
    ("disassociate_vpc_from_hosted_zone", "DisassociateVPCFromHostedZone"),
    ("delete_hosted_zone", "DeleteHostedZone"),
):
    patch(Route53, _method, "route53", _operation)(_submitted)


@patch(Route53, "get_change", "route53", "GetChange")
def get_change(original: Function, this: Any) -> Any:
    """PENDING, then INSYNC after the delay `route53.change`; an unknown change is refused: `NoSuchChange`."""
    del original
    change = this._get_param("Id").removeprefix("/change/")
    if change not in _changes:
        raise Route53ClientError("NoSuchChange", f"Could not find resource with ID: {change}")
    submitted, since = _changes[change]
    status = "PENDING" if time.monotonic() - since < states.delay("route53.change") else "INSYNC"
    return ActionResult({"ChangeInfo": {"Id": f"/change/{change}", "Status": status, "SubmittedAt": submitted}})
