"""The change of the records as a person types it: the same batches, with the same compare-and-set."""

import json
from typing import Any

from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.aws.settings import AwsSite
from activities.providers.by_hand import ByHand, Command
from workflows.model.messages import StepRequest

from .records import Zone, batch, guard_name
from .settings import Route53Settings

_NOT_SEEN = (
    "The run saw too many records, or none, to write the change down here: change each of them in the console of Route"
    " 53 to what the runbook says, and its TXT record last."
)
_REFUSED = "Where this says InvalidChangeBatch, it is not what the run saw: STOP, and look who changed it."


def flip(settings: Route53Settings, place: AwsSite, request: StepRequest) -> ByHand:
    """Send users to `target.target`."""
    facts = request.before.facts if request.before else {}
    site, epoch = request.target.target, request.ref.epoch
    look, act, after, undo = [], [], [], []
    for zone_id, records in settings.by_zone.items():
        seen = facts.get("sets", {}).get(zone_id)
        guard = guard_name(records)
        look.append(
            _list(place, zone_id, guard, f"Under which epoch was {zone_id} changed? One above {epoch} means STOP.")
        )
        if seen is None:
            continue
        zone = Zone(zone_id, tuple(records), tuple(map(tuple, seen)), facts["guards"][zone_id])
        wanted = zone.wanted(site)
        changes = batch(zone, wanted, request.ref)
        there = Zone(zone_id, zone.records, wanted, changes[-1]["ResourceRecordSet"])
        act.append(_change(place, zone_id, changes, f"Send users to {site}. {_REFUSED}"))
        after.append(_list(place, zone_id, guard, "The epoch of this run stands beside them.", f"epoch={epoch} "))
        if all(zone.stands):
            back = batch(there, zone.stands, request.ref)
            undo.append(_change(place, zone_id, back, "Send users back; only while nothing was promoted."))
    notes = (IDENTITY, *(() if act else (_NOT_SEEN,)))
    return ByHand(look=tuple(look), act=tuple(act), after=tuple(after), undo=tuple(undo), notes=notes)


def _list(place: AwsSite, zone: str, name: str, why: str, shows: str = "") -> Command:
    values = "ResourceRecordSets[].[Name,Type,SetIdentifier,Weight,Failover,ResourceRecords[0].Value]"
    return cli(
        place,
        *("route53", "list-resource-record-sets", "--hosted-zone-id", zone, "--start-record-name", name),
        *("--max-items", "1", "--query", values, "--output", "text"),
        why=why,
        shows=shows,
        otherwise="The records of the zone: `aws route53 list-resource-record-sets --hosted-zone-id` shows them all.",
    )


def _change(place: AwsSite, zone: str, changes: list[dict[str, Any]], why: str) -> Command:
    told = json.dumps({"Changes": changes}, separators=(",", ":"))
    return cli(
        place, "route53", "change-resource-record-sets", "--hosted-zone-id", zone, "--change-batch", told, why=why
    )
