"""Tags of all that a run makes, by which it is found again, cleaned up and paid for."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from workflows.model.messages import StepRequest

PREFIX = "seawall:"


def tags(request: StepRequest, site: str, expires: datetime | None = None) -> dict[str, str]:
    """The tags of something that this step makes at a site. `expires` is set for what a drill makes."""
    target, ref = request.target, request.ref
    found = {
        "application": ref.application,
        "component": target.name,
        "site": site,
        "run": ref.workflow_id,
        "step": ref.step,
        "epoch": str(ref.epoch),
    }
    bubble = target.bubble
    if bubble is not None:
        found |= {"bubble": bubble.name, "expires": bubble.expires.isoformat()}
    elif expires is not None:
        found["expires"] = expires.isoformat()
    return {f"{PREFIX}{name}": value[:256] for name, value in found.items()}


def pairs(found: Mapping[str, str]) -> list[dict[str, str]]:
    """As most services want them."""
    return [{"Key": key, "Value": value} for key, value in found.items()]


def filters(found: Mapping[str, str], *names: str) -> list[dict[str, Any]]:
    """Filters of EC2 for what carries these of the tags."""
    return [{"Name": f"tag:{PREFIX}{name}", "Values": [found[f"{PREFIX}{name}"]]} for name in names]


def table(listed: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as AWS lists them, by name."""
    return {tag["Key"]: tag["Value"] for tag in listed or ()}
