"""Opens, proves and closes the bubble."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.aws.component import AwsProvider
from activities.providers.aws.duties import Duty
from activities.providers.aws.settings import AwsSettings
from activities.providers.base import now
from activities.providers.by_hand import ByHand
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Bubble, StepRequest, StepResult
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from .closing import close
from .contents import occupied
from .isolation import UNTRIED, ways_out
from .lease import Leases, of
from .settings import BubbleSettings


class BubbleProvider(AwsProvider):
    """Invariant: the VPC holds at most one drill, and is given back only when nothing of it is left."""

    kind: ClassVar[str] = "aws.vpc"
    role: ClassVar[Role | None] = None
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OPEN_BUBBLE, Verb.PROVE_ISOLATION, Verb.CLOSE_BUBBLE})
    Settings: ClassVar[type[AwsSettings]] = BubbleSettings

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:  # noqa: ARG002 (a look is all there is to do)
        place, vpc = self.site(request.target.site), self.settings.vpc
        look = cli(
            place,
            *("ec2", "describe-network-interfaces", "--filters", f"Name=vpc-id,Values={vpc}"),
            *("--query", "NetworkInterfaces[].NetworkInterfaceId", "--output", "text"),
            why=f"Nothing runs in {vpc}.",
            otherwise="Find out by their tags (seawall:bubble) which drill they belong to.",
        )
        return ByHand(look=(look,), notes=(IDENTITY, "A drill is not finished by hand: what it left is swept."))

    async def open_bubble(self, request: StepRequest) -> StepResult:
        vpc, wanted = self.settings.vpc, of(request.ref, _bubble(request))
        aws = self.aws(request.target.site, request)
        leases = Leases(aws, vpc)
        stands = await leases.read()
        leases.insist_on(stands, wanted)
        if wanted.expires <= now():
            raise PermanentError(Code.EXPIRED, "The time of this drill is over.", "Start another one.")
        if stands is None:
            if found := await occupied(aws, vpc):
                raise PermanentError(
                    Code.PRECONDITION_CHANGED,
                    f"{vpc} is not empty: it holds {len(found)} network interfaces, such as {found[0]}.",
                    "Find out what they belong to, and remove them.",
                )
            self.context.still_mine()
            await leases.take(wanted)
        return StepResult(
            detail=f"{vpc} is this drill's until {wanted.expires:%Y-%m-%d %H:%M:%S} UTC.",
            changed=stands is None,
            after={"vpc": vpc, "subnets": list(self.settings.subnets), "security_group": self.settings.security_group},
        )

    async def prove_isolation(self, request: StepRequest) -> StepResult:
        vpc = self.settings.vpc
        if found := await ways_out(self.aws(request.target.site, request), self.settings):
            raise PermanentError(
                Code.ISOLATION_UNPROVEN,
                f"{len(found)} ways lead out of {vpc}: {'; '.join(found)}.",
                "Remove them, or name another VPC.",
            )
        return StepResult(
            detail=f"No route, gateway, connection or rule leads out of {vpc}. {UNTRIED}",
            changed=False,
            after={"vpc": vpc, "untried": UNTRIED},
        )

    async def close_bubble(self, request: StepRequest) -> StepResult:
        """Also as the undo of its opening."""
        aws, wanted = self.aws(request.target.site, request), of(request.ref, _bubble(request))
        leases = Leases(aws, self.settings.vpc)
        stands = await leases.read()
        leases.insist_on(stands, wanted)
        removed = await close(aws, wanted, self.settings.most, self.context, self.patience)
        if stands is not None:
            self.context.still_mine()
            await leases.give_back(stands)
        return StepResult(
            detail=f"Removed {removed} things; nothing is left." if removed else "Nothing was left in it.",
            changed=stands is not None or removed > 0,
            after={"leftovers": 0, "removed": removed},
        )

    async def sweep_bubble(self, site: str, ended: Callable[[str], Awaitable[bool]]) -> str:
        stands = await Leases(self.aws(site), self.settings.vpc).read()
        if stands is None or not (stands.expires <= now() or await ended(stands.run)):
            return ""
        aws = self.aws(site, duty=Duty.CLEAN_UP, run=stands.run)
        await close(aws, stands, self.settings.most, self.context, self.patience)
        await Leases(aws, self.settings.vpc).give_back(stands)
        return stands.bubble


def _bubble(request: StepRequest) -> Bubble:
    bubble = request.target.bubble
    assert bubble is not None, "only a drill opens a bubble"
    return bubble


PROVIDER = BubbleProvider
