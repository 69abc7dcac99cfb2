"""The kind `aws.accelerator`: users are sent to a site by the traffic dials of endpoint groups of Global Accelerator.

Its API is in us-west-2 alone, wherever the groups are (Global Accelerator API reference); the answering of users goes
on without it. A dial of 0 takes no new connections; those that stand stay until they end. The dials are raised before
others are lowered, so that at no moment all of them are at 0.
"""

import asyncio
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from activities.providers.by_hand import ByHand, Command, shell
from workflows.model.failure import OutcomeUnknownError, SeawallError
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from .by_hand import IDENTITY
from .calls import Aws
from .ids import EndpointGroupArn
from .settings import AwsSettings, AwsSite
from .switching import Switches, Switching

HOME = "us-west-2"


class AcceleratorSite(AwsSite):
    """The endpoint group of a site, and its dial while the application runs there; 0 while it runs elsewhere."""

    endpoint_group: EndpointGroupArn
    dial: Annotated[float, Field(gt=0, le=100)] = 100
    """Percent."""


class AcceleratorSettings(AwsSettings):
    """The groups of one accelerator."""

    sites: dict[str, AcceleratorSite]

    @model_validator(mode="after")
    def _one_accelerator(self) -> "AcceleratorSettings":
        groups = {site.endpoint_group for site in self.sites.values()}
        if len(groups) != len(self.sites):
            raise ValueError("each site has an endpoint group of its own")
        if len({accelerator_of(group) for group in groups}) > 1:
            raise ValueError("the endpoint groups are of one accelerator")
        return self


class AcceleratorProvider(Switching):
    """Invariant: some dial is above 0."""

    kind: ClassVar[str] = "aws.accelerator"
    Settings: ClassVar[type[AwsSettings]] = AcceleratorSettings

    def _wanted(self, site: str) -> Switches:
        self.site(site)
        return {
            place.endpoint_group: place.dial if name == site else 0.0 for name, place in self.settings.sites.items()
        }

    async def _look(self, aws: Aws) -> Switches:
        async def dial(arn: str) -> float:
            found = await aws.at("", HOME).read("globalaccelerator", "describe_endpoint_group", EndpointGroupArn=arn)
            return float(found["EndpointGroup"].get("TrafficDialPercentage", 100.0))

        arns = [place.endpoint_group for place in self.settings.sites.values()]
        return dict(zip(arns, await asyncio.gather(*map(dial, arns)), strict=True))

    async def _set(self, aws: Aws, stands: Switches, wanted: Switches) -> None:
        changing = _in_order(stands, wanted)
        for done, arn in enumerate(changing):
            self.context.still_mine()
            dial = wanted[arn]
            try:
                await aws.at("", HOME).change(
                    "globalaccelerator", "update_endpoint_group", EndpointGroupArn=arn, TrafficDialPercentage=dial
                )
            except SeawallError as error:
                if not done:
                    raise
                told = f"{done} of {len(changing)} dials are set, and then: {error.sentence}"
                raise OutcomeUnknownError(told, error.next_step) from error

    def _halfway(self, before: Switches, after: Switches) -> list[Switches]:
        order = _in_order(before, after)
        return [before | {arn: after[arn] for arn in order[:done]} for done in range(1, len(order))]

    async def _settled(self, aws: Aws) -> bool:
        arn = accelerator_of(next(iter(self.settings.sites.values())).endpoint_group)
        found = await aws.at("", HOME).read("globalaccelerator", "describe_accelerator", AcceleratorArn=arn)
        return bool(found["Accelerator"]["Status"] == "DEPLOYED")

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:  # noqa: ARG002 (its one verb turns the dials)
        target = self.site(request.target.target)
        wanted = self._wanted(request.target.target)
        order = sorted(wanted, key=lambda arn: arn != target.endpoint_group)
        dial = ("--query", "EndpointGroup.TrafficDialPercentage", "--output", "text")
        look = _command(
            ("describe-endpoint-group", "--endpoint-group-arn", target.endpoint_group, *dial),
            f"The dial of {request.target.target}, in percent.",
            shows=f"{wanted[target.endpoint_group]}",
        )
        act = [
            _command(
                ("update-endpoint-group", "--endpoint-group-arn", arn, "--traffic-dial-percentage", f"{wanted[arn]:g}"),
                f"Set the dial to {wanted[arn]:g} %. The target's comes first: at no moment may all of them be at 0.",
            )
            for arn in order
        ]
        return ByHand(look=(look,), act=tuple(act), after=(look,), notes=(IDENTITY,))


def _in_order(stands: Switches, wanted: Switches) -> list[str]:
    """Those that differ; what is raised comes first."""
    differing = [arn for arn in wanted if wanted[arn] != stands.get(arn)]
    return sorted(differing, key=lambda arn: wanted[arn] < stands.get(arn, 0.0))


def accelerator_of(group: str) -> str:
    """The accelerator of an endpoint group, out of its ARN."""
    return group.split("/listener/")[0]


def _command(words: tuple[str, ...], why: str, **more: Any) -> Command:
    return Command(line=shell(("aws", "--region", HOME, "globalaccelerator", *words)), why=why, **more)


PROVIDER = AcceleratorProvider
