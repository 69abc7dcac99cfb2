"""How long do clients keep the old address?"""

from typing import TYPE_CHECKING, Any

from workflows.model.observed import Finding

if TYPE_CHECKING:
    from activities.providers.aws.component import AwsProvider

LONGEST = 300
"""Seconds. A record that is kept for longer is most of the time in which users are away."""


async def lifetimes(provider: "AwsProvider", site: str) -> list[Finding]:
    """Of the records of Route 53 that the settings list, as they stand; an alias has the lifetime of its target."""
    records: list[dict[str, Any]] = provider.settings.model_dump(mode="json").get("records") or []
    found = []
    for record in records:
        name = str(record["name"]).rstrip(".") + "."
        answer = await provider.aws(site).read(
            "route53",
            "list_resource_record_sets",
            HostedZoneId=record["zone"],
            StartRecordName=name,
            StartRecordType=record["type"],
            MaxItems="10",
        )
        kept = [
            one.get("TTL", 0)
            for one in answer["ResourceRecordSets"]
            if (one["Name"].lower(), one["Type"]) == (name.lower(), record["type"])
        ]
        if not kept:
            sentence = f"There is no record {name} of type {record['type']} in the zone {record['zone']}."
            next_step = "Make it, with the address of the site that serves."
            found.append(Finding(code="RECORD_MISSING", sentence=sentence, next_step=next_step, blocking=True))
        elif max(kept) > LONGEST:
            sentence = f"Clients may keep the old address of {name} for {max(kept)} s after a failover."
            found.append(Finding(code="TTL_LONG", sentence=sentence, next_step="Lower its TTL to 60 s."))
    return found
