"""A small runbook over the simulated kinds."""

from datetime import date
from typing import Any

from workflows.model.messages import LoadedRunbook
from workflows.model.runbook import Runbook

from . import sim


def sim_runbook(**changes: Any) -> Runbook:
    """db -> app -> front at two sites; top-level fields can be changed."""
    fields: dict[str, Any] = {
        "application": "shop",
        "description": "a simulated shop",
        "owner": {"name": "Anna", "email": "anna@example.org"},
        "review": {"last": date(2026, 11, 1)},
        "tier": "hot",
        "objectives": {"rto": "2m", "rpo": "5s"},
        "sites": {
            "primary": {"name": "Site A", "fence_device": {"kind": "sim.power"}},
            "recovery": {"name": "Site B", "fence_device": {"kind": "sim.power"}},
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
    return Runbook.model_validate({**fields, **changes})


def loaded(runbook: Runbook) -> LoadedRunbook:
    """The runbook as the real reader would answer it."""
    providers = sim.kinds(sim.World())
    verbs = {
        name: tuple(sorted(verb.value for verb in providers[part.kind].verbs))
        for name, part in runbook.components.items()
    }
    return LoadedRunbook(runbook=runbook, sha256="0" * 64, verbs=verbs)
