"""The kind `aws.arc`: users are sent to a site by routing controls of Amazon Application Recovery Controller.

Its data plane is in five regions, of which any three are enough; no region of the application is needed to steer users
away from it. Each call tries the five endpoints in a random order until one answers (ARC Developer Guide, "Best
practices": they are taken out for maintenance in turn). They stand in the runbook: the call that lists them is one of
the control plane, which is in us-west-2 alone.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from pydantic import Field, model_validator

from activities.providers.by_hand import ByHand, Command, shell
from workflows.model.base import Duration, Strict
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError, SeawallError, TemporaryError
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .by_hand import IDENTITY
from .calls import Aws
from .errors import Refused
from .ids import Region, RoutingControlArn, SafetyRuleArn
from .settings import AwsSettings, AwsSite
from .switching import Switches, Switching

T = TypeVar("T")
ENDPOINTS = 5
BY_A_RULE = ("ConflictException", "ValidationException")
"""With which of them a safety rule refuses, the API reference leaves open."""
PAUSE_SECONDS = 1.0


class Endpoint(Strict):
    """One of a cluster's endpoints, as `describe-cluster` lists them."""

    url: str = Field(pattern=r"^https?://[^\s?#]+$")
    region: Region


class ArcSite(AwsSite):
    """The routing controls that are on while the application runs at a site, and off while it does not."""

    controls: tuple[RoutingControlArn, ...]

    @model_validator(mode="after")
    def _some(self) -> "ArcSite":
        if not self.controls:
            raise ValueError("at least one routing control is wanted in `controls`: users are never sent nowhere")
        return self


class ArcSettings(AwsSettings):
    """One cluster. What overrides a safety rule stands here, on the record, or nowhere."""

    read_timeout: Duration = timedelta(seconds=5)
    """For the answer of one endpoint, of which there are four more."""
    endpoints: tuple[Endpoint, ...]
    """All five, as `describe-cluster` lists them."""
    safety_rules_to_override: tuple[SafetyRuleArn, ...] = ()
    rule_wait: Duration = timedelta(seconds=6)
    """For how long a refusal by a safety rule is tried again: as long as the longest wait period, which is 5 s unless
    set otherwise."""
    sites: dict[str, ArcSite]

    @model_validator(mode="after")
    def _each_once(self) -> "ArcSettings":
        if len(self.endpoints) != ENDPOINTS or len({one.region for one in self.endpoints}) != ENDPOINTS:
            raise ValueError("a cluster has five endpoints, in five regions")
        controls = [arn for site in self.sites.values() for arn in site.controls]
        if len(controls) != len(set(controls)):
            raise ValueError("a routing control belongs to one site, and is named once")
        return self


class ArcProvider(Switching):
    """Invariant: all controls change in one call, which ARC carries out wholly or not at all."""

    kind: ClassVar[str] = "aws.arc"
    Settings: ClassVar[type[AwsSettings]] = ArcSettings

    def _wanted(self, site: str) -> Switches:
        self.site(site)
        return {
            arn: "On" if name == site else "Off"
            for name, place in self.settings.sites.items()
            for arn in place.controls
        }

    async def _look(self, aws: Aws) -> Switches:
        async def state(arn: str) -> str:
            told = await self._somewhere(
                aws,
                lambda there: there.read(
                    "route53-recovery-cluster", "get_routing_control_state", RoutingControlArn=arn
                ),
            )
            return str(told["RoutingControlState"])

        arns = [arn for place in self.settings.sites.values() for arn in place.controls]
        return dict(zip(arns, await asyncio.gather(*map(state, arns)), strict=True))

    async def _set(self, aws: Aws, stands: Switches, wanted: Switches) -> None:
        entries = [
            {"RoutingControlArn": arn, "RoutingControlState": state}
            for arn, state in wanted.items()
            if stands[arn] != state
        ]
        overridden = {"SafetyRulesToOverride": list(self.settings.safety_rules_to_override)}
        doubts: list[OutcomeUnknownError] = []

        async def update(there: Aws) -> None:
            self.context.still_mine()
            try:
                await there.change(
                    "route53-recovery-cluster",
                    "update_routing_control_states",
                    UpdateRoutingControlStateEntries=entries,
                    **(overridden if self.settings.safety_rules_to_override else {}),
                )
            except OutcomeUnknownError as doubt:
                doubts.append(doubt)
                if not await self._stands(aws, wanted, doubt):
                    raise TemporaryError(Code.UNREACHABLE, doubt.sentence, doubt.next_step) from None

        try:
            await self._past_the_rules(lambda: self._somewhere(aws, update))
        except SeawallError as error:
            # One that was sent, and did not land yet, may still do so.
            raise (doubts[-1] if doubts else error) from None

    async def _stands(self, aws: Aws, wanted: Switches, doubt: OutcomeUnknownError) -> bool:
        """Asked of the others before it is sent to one of them: they agree on what stands."""
        try:
            return await self._look(aws) == wanted
        except TemporaryError:
            raise doubt from None

    async def _past_the_rules(self, send: Callable[[], Awaitable[None]]) -> None:
        """A wait period passes by itself; a rule does not."""
        end = asyncio.get_running_loop().time() + self.settings.rule_wait.total_seconds()
        while True:
            try:
                return await send()
            except Refused as error:
                if error.reason not in BY_A_RULE:
                    raise
                if asyncio.get_running_loop().time() + PAUSE_SECONDS > end:
                    raise _by_a_rule(error) from None
            self.context.heartbeat("a safety rule of ARC, or its wait period, does not allow it yet")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _somewhere(self, aws: Aws, call: Callable[[Aws], Awaitable[T]]) -> T:
        """The answer of the first endpoint that gives one; the error of the last when none does."""
        last: TemporaryError | None = None
        for endpoint in random.sample(self.settings.endpoints, ENDPOINTS):
            try:
                return await call(aws.at(endpoint.url, endpoint.region))
            except TemporaryError as error:
                last = error
            self.context.heartbeat(f"the endpoint of ARC in {endpoint.region} does not answer")
        assert last is not None  # there are five of them
        raise last

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:  # noqa: ARG002 (its one verb turns the controls)
        wanted = self._wanted(request.target.target)
        back = self._wanted(request.target.source) if request.target.source in self.settings.sites else {}
        first = next(arn for arn, state in wanted.items() if state == "On")
        look = self._command(("get-routing-control-state", "--routing-control-arn", first), "Is it on?", '"On"')
        others = ", ".join(f"{one.url} in {one.region}" for one in self.settings.endpoints[1:])
        return ByHand(
            look=(look.model_copy(update={"otherwise": "Off: users are not sent there yet."}),),
            act=(self._update(wanted, f"Send users to {request.target.target}."),),
            after=(look,),
            undo=(self._update(back, "Send users back; only while nothing was promoted."),) if back else (),
            notes=(IDENTITY, f"Where the endpoint does not answer, take another one with its own region: {others}."),
        )

    def _update(self, wanted: Switches, why: str) -> Command:
        entries = [f"RoutingControlArn={arn},RoutingControlState={state}" for arn, state in wanted.items()]
        rules = self.settings.safety_rules_to_override
        overridden = ("--safety-rules-to-override", *rules) if rules else ()
        words = ("update-routing-control-states", "--update-routing-control-state-entries", *entries, *overridden)
        return self._command(words, why)

    def _command(self, words: tuple[str, ...], why: str, shows: str = "") -> Command:
        there: Any = self.settings.endpoints[0]
        line = ("aws", "--region", there.region, "--endpoint-url", there.url, "route53-recovery-cluster", *words)
        return Command(line=shell(line), why=why, shows=shows)


def _by_a_rule(error: Refused) -> PermanentError:
    return PermanentError(
        Code.CONFIGURATION,
        f"ARC refused to turn the routing controls, as a safety rule of the panel does ({error.reason}).",
        "Look at the panel's rules: turn on what a gating rule waits for; one that must not hold today goes into"
        " `safety_rules_to_override`, on the record.",
    )


PROVIDER = ArcProvider
