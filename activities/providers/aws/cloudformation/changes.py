"""Change sets: what an update would do, known before it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from activities.providers.aws.calls import Aws, token
from activities.providers.aws.errors import Refused
from activities.providers.aws.stacks import PLANNED, Stack
from activities.providers.aws.tags import pairs, tags
from activities.providers.aws.waiting import until
from activities.providers.base import Context
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest

from .settings import StackSite

EXECUTED = ("EXECUTE_IN_PROGRESS", "EXECUTE_COMPLETE", "EXECUTE_FAILED")
NO_CHANGE = ("didn't contain changes", "No updates are to be performed")
"""AWS has no code for it; its own command line (`aws cloudformation deploy`) tells it by these words too."""
NAMED = 5
PATIENCE = 600.0
"""Seconds in which CloudFormation says what would change."""


@dataclass(frozen=True)
class Wish:
    """How a stack is wanted."""

    part: str
    """What tells this change set from others of the step."""
    parameters: Mapping[str, str]
    template: Mapping[str, Any] = field(default_factory=lambda: {"UsePreviousTemplate": True})

    def name(self, request: StepRequest) -> str:
        """Of its change set."""
        return f"seawall-{token(request.ref, self.part)[:40]}"


async def proposed(
    aws: Aws, place: StackSite, stack: Stack | None, wish: Wish, request: StepRequest, context: Context
) -> dict[str, Any] | None:
    """The change set of the wish, made where it is not there yet; None when nothing would change."""
    name = wish.name(request)
    found = await _described(aws, place, name) if stack else None
    if found is None:
        context.still_mine()
        await _propose(aws, place, stack, wish, request)
    found = await until(
        lambda: _described(aws, place, name),
        lambda one: one is not None and one["Status"] in ("CREATE_COMPLETE", "FAILED"),
        lambda one: f"the change set {name} is {one['Status'] if one else 'asked for'}",
        context,
        PATIENCE,
    )
    assert found is not None
    if found["Status"] == "FAILED":
        if any(words in found.get("StatusReason", "") for words in NO_CHANGE):
            return None
        raise PermanentError(
            Code.CONFIGURATION,
            f"CloudFormation cannot say what would change in {place.stack}: the change set {name} has failed.",
            "Look at its reason in AWS; mend the template or the parameters, then retry.",
        )
    return found


def judge(place: StackSite, found: Mapping[str, Any]) -> None:
    """Refuse what would touch more than the runbook allows.

    Raises:
        PermanentError: LIMIT_EXCEEDED, before anything is touched.
    """
    changes = [one["ResourceChange"] for one in found["Changes"] if one.get("ResourceChange")]
    if len(changes) > place.most_changes:
        raise PermanentError(
            Code.LIMIT_EXCEEDED,
            f"{place.stack} would change in {len(changes)} resources, and its runbook allows {place.most_changes}.",
            f"Nothing was touched. Look at the change set {found['ChangeSetName']}.",
        )
    lost = [f"{one['LogicalResourceId']} ({_loses(one)})" for one in changes if _loses(one)]
    if lost and not place.allow_replacement:
        raise PermanentError(
            Code.LIMIT_EXCEEDED,
            f"{place.stack} would lose {', '.join(lost[:NAMED])}{' and more' if len(lost) > NAMED else ''}.",
            f"Nothing was touched. Look at the change set {found['ChangeSetName']}; `allow_replacement` allows it.",
        )


def executed(found: Mapping[str, Any]) -> bool:
    """Whether it was executed before.

    Raises:
        PermanentError: PRECONDITION_CHANGED, when another one was in the meantime.
    """
    status = found.get("ExecutionStatus")
    if status == "OBSOLETE":
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"Since the change set {found['ChangeSetName']} was made, somebody changed the stack.",
            "Look who did, and plan again.",
        )
    if status == "UNAVAILABLE":
        raise TemporaryError(Code.PRECONDITION_CHANGED, f"{found['ChangeSetName']} cannot be executed yet.", delay=2)
    return status in EXECUTED


async def execute(aws: Aws, place: StackSite, wish: Wish, request: StepRequest) -> None:
    """Begin with it."""
    try:
        await aws.change(
            "cloudformation",
            "execute_change_set",
            ChangeSetName=wish.name(request),
            StackName=place.stack,
            ClientRequestToken=token(request.ref, wish.part),
        )
    except Refused as error:
        if error.reason != "TokenAlreadyExistsException":
            raise
        # An earlier attempt's request, whose answer was lost, has come through after all.


def _loses(change: Mapping[str, Any]) -> str:
    """What becomes of the resource that stands there; empty when it stays."""
    if change["Action"] in ("Remove", "Dynamic"):
        return "removed" if change["Action"] == "Remove" else "nobody knows yet"
    return {"True": "replaced", "Conditional": "perhaps replaced"}.get(change.get("Replacement", ""), "")


async def _described(aws: Aws, place: StackSite, name: str) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    try:
        found = await aws.read("cloudformation", "describe_change_set", ChangeSetName=name, StackName=place.stack)
        page = found
        while page.get("NextToken"):
            page = await aws.read(
                "cloudformation",
                "describe_change_set",
                ChangeSetName=name,
                StackName=place.stack,
                NextToken=page["NextToken"],
            )
            found["Changes"] += page["Changes"]
    except Refused as error:
        if error.code is not Code.NOT_FOUND:
            raise
        return None
    return {"Changes": []} | found


async def _propose(aws: Aws, place: StackSite, stack: Stack | None, wish: Wish, request: StepRequest) -> None:
    made = stack is None or stack.status == PLANNED
    kept = set() if made else await _kept(aws, stack, wish)
    await aws.repeatable(
        "cloudformation",
        "create_change_set",
        StackName=place.stack,
        ChangeSetName=wish.name(request),
        ChangeSetType="CREATE" if made else "UPDATE",
        ClientToken=token(request.ref, wish.part),
        Capabilities=list(place.capabilities),
        Parameters=[
            *({"ParameterKey": key, "ParameterValue": value} for key, value in sorted(wish.parameters.items())),
            *({"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept)),
        ],
        **({"Tags": pairs(tags(request, request.target.site))} if made else {}),
        **wish.template,
    )


async def _kept(aws: Aws, stack: Stack | None, wish: Wish) -> set[str]:
    """The parameters that keep their value: those that the stack has, the template knows and the wish does not name."""
    known = set(stack.parameters if stack else ())
    if not wish.template.get("UsePreviousTemplate"):
        summary = await aws.read("cloudformation", "get_template_summary", **wish.template)
        known &= {one["ParameterKey"] for one in summary.get("Parameters", ())}
    return known - set(wish.parameters)
