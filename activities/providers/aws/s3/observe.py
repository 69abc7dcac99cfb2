"""What one look at a bucket tells of its role. It is told beside the other sites' buckets, as far as they answer: the
bucket of a region that comes back after an outage still takes writes, and serves no more."""

from typing import TYPE_CHECKING, Any

from activities.providers.base import now
from workflows.model.failure import SeawallError
from workflows.model.observed import Observation, Reach

from . import policy, standing

if TYPE_CHECKING:
    from .provider import S3Provider

_REACHES = {"primary": Reach.SERVING, "fenced": Reach.REFUSED}


async def observe(provider: "S3Provider", component: str, site: str, observer: str) -> Observation:
    """One observation. Never raises for a region that does not answer."""
    facts: dict[str, Any] = {}
    try:
        role, epoch = await _role(provider, site)
        serving = {} if role == "fenced" else await _serving(provider, site)
        later = [name for name, other in serving.items() if other > epoch]
        if role == "primary" and later:
            role = "superseded"
        facts = {"role": role, "epoch": epoch if epoch >= 0 else None, "receiving": role == "standby" and bool(serving)}
        reach = _REACHES.get(role, Reach.STANDBY)
        words = f"still takes writes, and {later[0]} was promoted after it" if role == "superseded" else f"is {role}"
        detail = f"{provider.site(site).bucket} {words}."
    except SeawallError as error:
        reach, detail = Reach.SILENT, error.sentence
    return Observation(
        component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
    )


async def _role(provider: "S3Provider", site: str) -> tuple[str, int]:
    """By the policy; and the epoch of the last promotion, -1 when there never was one."""
    place, aws = provider.site(site), provider.aws(site)
    found = await policy.read(aws, place)
    noted = await standing.record(aws, provider.settings, place)
    return found.role, noted.epoch if noted else -1


async def _serving(provider: "S3Provider", site: str) -> dict[str, int]:
    """The other sites whose bucket takes writes, with the epochs of their promotions."""
    found = {}
    for name in provider.settings.sites:
        if name == site:
            continue
        try:
            role, epoch = await _role(provider, name)
        except SeawallError:
            continue  # A region that does not answer is told by the look at its own bucket.
        if role == "primary":
            found[name] = epoch
    return found
