"""What all kinds of AWS have in common in a runbook. Credentials never stand there: boto3 finds them as it always does,
and `AWS_ENDPOINT_URL` sends every call to a simulator or to an endpoint of one's own."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from workflows.model.base import Duration, Strict
from workflows.model.failure import Code, PermanentError

from .duties import Duty
from .ids import Region, RoleArn


class AwsSite(Strict):
    """Where a site is in AWS."""

    region: Region
    role: RoleArn | None = None
    """Assumed for every call, through the STS of this very region; the worker's own identity when left out."""
    roles: dict[Duty, RoleArn] = {}
    """In its place, by duty: who looks, replicates, moves, drills and removes can be five roles, each of which may do
    no more than that."""
    external_id: Annotated[str, Field(pattern=r"^[\w+=,.@:/-]+$", min_length=2, max_length=1224)] | None = None
    """Which the roles' trust asks for, when they are those of another account."""
    register_table: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{3,255}$")] = "seawall"
    """A DynamoDB table in this region (key `id`, a string) that holds which epoch may act here."""


class AwsSettings(Strict):
    """How long AWS is waited for. A subclass adds `sites`, by the names of the runbook's sites."""

    connect_timeout: Duration = timedelta(seconds=3)
    read_timeout: Duration = timedelta(seconds=15)
    """For one answer. A change whose answer does not come is looked for in the world, and never sent again blindly."""
    settle: Duration = timedelta(minutes=10)
    """How long a change may take until it shows."""

    @property
    def places(self) -> Mapping[str, AwsSite]:
        """The sites, whatever else a kind knows of each."""
        sites: Mapping[str, AwsSite] = getattr(self, "sites", {})
        return sites


def at(sites: Mapping[str, Any], name: str, kind: str) -> Any:
    """The settings of a site.

    Raises:
        PermanentError: CONFIGURATION, for a site that the component does not have.
    """
    found = sites.get(name)
    if found is None:
        raise PermanentError(
            Code.CONFIGURATION, f"This {kind} has no settings for the site {name!r}.", "Add them to the runbook."
        )
    return found
