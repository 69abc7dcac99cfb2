"""A small runbook over the simulated kinds."""

from datetime import date
from typing import Any

from workflows.model.messages import LoadedRunbook
from workflows.model.runbook import Runbook

from . import sim


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
        "components": {
            "db": {"role": "data", "kind": "sim.data", "replication": {"mode": "continuous"}},
            "app": {"role": "compute", "kind": "sim.compute", "needs": ["db"], "prewarm": True},
            "front": {"role": "traffic", "kind": "sim.traffic", "needs": ["app"]},
        },
        "public": {"name": "shop.test", "url": "http://shop.test/check"},
        "approvals": {"failover": {"approvers": ["anna", "ben"]}},
        "deadline": "30m",
    }
    fields |= changes
    fields["components"] = {name: {**part, "settings": settings} for name, part in fields["components"].items()}
    return Runbook.model_validate(fields)


def loaded(runbook: Runbook) -> LoadedRunbook:
    """The runbook as the real reader would answer it."""
    providers = sim.kinds({})
    verbs = {
        name: tuple(sorted(verb.value for verb in providers[part.kind].verbs))
        for name, part in runbook.components.items()
    }
    return LoadedRunbook(runbook=runbook, sha256="0" * 64, verbs=verbs)
