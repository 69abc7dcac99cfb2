"""A small runbook over the simulated kinds."""

from collections.abc import Collection
from datetime import date
from typing import Any

from activities.providers.base import Provider
from workflows.model.messages import LoadedRunbook
from workflows.model.runbook import Role, Runbook
from workflows.model.verbs import Verb

from . import sim

SQL = {"kind": "sql", "query": "select 1", "expect": "1", "interval": "20ms", "deadline": "300ms"}


def shop_components() -> dict[str, Any]:
    """db -> app -> front, as `sim_runbook` has them."""
    return {
        "db": {
            "role": "data",
            "kind": "sim.data",
            "replication": {"mode": "continuous"},
            "checks": {"primary": [SQL], "recovery": [SQL]},
        },
        "app": {"role": "compute", "kind": "sim.compute", "needs": ["db"], "prewarm": True},
        "front": {"role": "traffic", "kind": "sim.traffic", "needs": ["app"]},
    }


def cloud_components() -> dict[str, Any]:
    """The same, with its services on a kind that can tell what a site lacks."""
    parts = shop_components()
    parts["app"]["kind"] = "sim.cloud"
    return parts


def sim_runbook(**changes: Any) -> Runbook:
    """db -> app -> front at two sites; top-level fields can be changed."""
    settings = {"world": changes.get("application", "shop")}
    device = {"fence_device": {"kind": "sim.power", "settings": settings}}
    fields: dict[str, Any] = {
        "application": "shop",
        "description": "a simulated shop",
        "owner": {"name": "Anna", "email": "anna@example.org"},
        "review": {"last": date(2026, 11, 1)},
        "tier": "hot",
        "objectives": {"rto": "2m", "rpo": "5s"},
        "sites": {
            "primary": {"name": "Site A", **device},
            "recovery": {"name": "Site B", **device},
        },
        "components": shop_components(),
        "public": {"name": "shop.test", "url": "http://shop.test/check"},
        # At once, on the first look: what waits has tests of its own.
        "detection": {"hold_off": "0s"},
        "approvals": {"failover": {"approvers": ["anna", "ben"]}},
        "deadline": "30m",
    }
    fields |= changes
    # A name is enough, unless a test says otherwise: proofs have tests of their own.
    fields["approvals"] = {"proofs": [], **fields["approvals"]}
    fields["components"] = {name: {**part, "settings": settings} for name, part in fields["components"].items()}
    return Runbook.model_validate(fields)


def loaded(runbook: Runbook, lacking: Collection[Verb] = ()) -> LoadedRunbook:
    """The runbook as the real reader would answer it, with data components that cannot do what is `lacking`."""
    providers = sim.kinds({})
    verbs = {
        name: tuple(
            sorted(
                verb.value for verb in providers[part.kind].verbs if not (part.role is Role.DATA and verb in lacking)
            )
        )
        for name, part in runbook.components.items()
    }
    tell = (name for name, part in runbook.components.items() if can_tell(providers[part.kind]))
    return LoadedRunbook(runbook=runbook, sha256="0" * 64, verbs=verbs, preflights=tuple(tell))


def can_tell(provider: type[Provider]) -> bool:
    """Whether a kind has a preflight."""
    return provider.preflight is not Provider.preflight
