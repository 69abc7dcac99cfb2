"""The kind `aws.lambda`: event source mappings, which call functions where the application runs and rest elsewhere.

A mapping that is off leaves its queue or stream as it is: what waits there is worked off when it is on again.
"""

from typing import Any, ClassVar

from pydantic import Field, model_validator

from activities.providers.by_hand import ByHand
from workflows.model.failure import Code, TemporaryError
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .by_hand import IDENTITY, cli
from .calls import Aws
from .ids import MappingId
from .levels import Change, Level, LevelProvider
from .settings import AwsSettings, AwsSite

ON, OFF = [1], [0]
STATES = {"Enabled": (ON, True), "Enabling": (ON, False), "Disabled": (OFF, True), "Disabling": (OFF, False)}
"""The level that a state means, and whether it is reached."""


class LambdaSite(AwsSite):
    """The mappings of a site."""

    mappings: tuple[MappingId, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once_each(self) -> "LambdaSite":
        if len(set(self.mappings)) < len(self.mappings):
            raise ValueError("a mapping stands twice in the list")
        return self


class LambdaSettings(AwsSettings):
    """Mappings by site."""

    sites: dict[str, LambdaSite]


class LambdaProvider(LevelProvider):
    """Invariant: only the mappings that are listed are switched; nothing else of them is changed."""

    kind: ClassVar[str] = "aws.lambda"
    Settings: ClassVar[type[AwsSettings]] = LambdaSettings

    def wanted(self, place: LambdaSite, runs: bool) -> dict[str, list[int]]:
        return dict.fromkeys(place.mappings, ON if runs else OFF)

    async def look(self, aws: Aws, place: LambdaSite) -> dict[str, Level]:
        """By page over all mappings of the region: a hundred a call, where one by one would be a call for each."""
        found = await aws.pages("lambda", "list_event_source_mappings", "EventSourceMappings")
        listed = {one["UUID"]: one for one in found if one["UUID"] in place.mappings and one["State"] != "Deleting"}
        return {name: _level(listed[name]) for name in place.mappings if name in listed}

    async def set(self, aws: Aws, change: Change) -> None:
        await aws.change("lambda", "update_event_source_mapping", UUID=change.part, Enabled=change.level == ON)

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: LambdaSite = self.site(request.target.site)
        on = verb is Verb.START_INSTANCES
        shows, flag = ("Enabled", "--enabled") if on else ("Disabled", "--no-enabled")
        looks, acts = [], []
        for name in place.mappings:
            query = ("--uuid", name, "--query", "State", "--output", "text")
            why = f"The mapping is {shows}."
            looks.append(cli(place, "lambda", "get-event-source-mapping", *query, why=why, shows=shows))
            acts.append(cli(place, "lambda", "update-event-source-mapping", "--uuid", name, flag, why="Switch it."))
        return ByHand(look=tuple(looks), act=tuple(acts), after=tuple(looks), notes=(IDENTITY,))


def _level(one: dict[str, Any]) -> Level:
    if one["State"] not in STATES:
        # `Creating` and `Updating` do not tell whether it will be on.
        raise TemporaryError(Code.PRECONDITION_CHANGED, f"The mapping {one['UUID']} is still {one['State']}.", delay=2)
    stands, reached = STATES[one["State"]]
    source = one.get("EventSourceArn", "").rpartition(":")[2]
    return Level(stands=stands, reached=reached, words=f"{one['State']} ({source})" if source else one["State"])


PROVIDER = LambdaProvider
