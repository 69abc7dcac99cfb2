"""The verbs of the kind `aws.cloudformation`."""

import json
from typing import Any, ClassVar

from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.aws.calls import Aws, token
from activities.providers.aws.component import AwsProvider
from activities.providers.aws.duties import Duty
from activities.providers.aws.settings import AwsSettings
from activities.providers.aws.stacks import (
    HIDDEN,
    PLANNED,
    ROLLED_BACK,
    STUCK,
    Stack,
    first_failure,
    newest_event,
    stack_of,
)
from activities.providers.aws.waiting import until
from activities.providers.base import now
from activities.providers.by_hand import ByHand
from workflows.model.failure import Code, PermanentError, SeawallError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Finding, Observation, Reach
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from . import drift
from .changes import Wish, execute, executed, judge, proposed
from .settings import StackSettings, StackSite

LARGEST = 51_200
"""Bytes of a template that CloudFormation takes as it is; a larger one could not be put back."""
BUSY_SECONDS = 10.0


class StackProvider(AwsProvider):
    """Invariant: only a change set that was judged is executed, and no stack is ever deleted."""

    kind: ClassVar[str] = "aws.cloudformation"
    role: ClassVar[Role | None] = Role.COMPUTE
    in_drills: ClassVar[bool] = False
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES})
    Settings: ClassVar[type[AwsSettings]] = StackSettings

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        place: StackSite = self.site(site)
        facts: dict[str, Any] = {}
        try:
            stack = await stack_of(self.aws(site), place.stack)
            facts = _facts(stack)
            serves = stack is not None and stack.stands and _has(stack, place.parameters)
            reach = Reach.REFUSED if stack is None else Reach.SERVING if serves else Reach.STANDBY
            detail = (
                f"{place.stack} is {stack.status}, drift: {stack.drift}." if stack else f"There is no {place.stack}."
            )
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    async def preflight(self, component: str, site: str, rpo: Any = None) -> tuple[Finding, ...]:
        """What all kinds look for, and whether the stack is still what its template says; who only observes may not
        have that looked for."""
        place: StackSite = self.site(site)
        found = await super().preflight(component, site, rpo)
        return (*found, *await drift.findings(self.aws(site, duty=Duty.FAILOVER), place.stack, self.context))

    async def start_instances(self, request: StepRequest) -> StepResult:
        """As an undo: back to the template and the parameters that the stop found."""
        place: StackSite = self._place(request)
        if request.undo or request.result:
            return await self._back(request)
        template = {"TemplateURL": place.template_url} if place.template_url else {"UsePreviousTemplate": True}
        return await self._bring(request, Wish("start", place.parameters, template))

    async def stop_instances(self, request: StepRequest) -> StepResult:
        """As an undo: back to the template and the parameters that the start found."""
        place: StackSite = self._place(request)
        if request.undo or request.result:
            return await self._back(request)
        if place.stopped is None:
            return StepResult(detail=f"{place.stack} stays as it is: the runbook has no `stopped`.", changed=False)
        return await self._bring(request, Wish("stop", place.parameters | place.stopped))

    def _place(self, request: StepRequest) -> Any:
        if request.target.bubble:
            raise PermanentError(
                Code.CONFIGURATION,
                f"A drill would change what this site has in production: the kind {self.kind} has no clones.",
                "Set the component's `drill` to be simulated.",
            )
        return self.site(request.target.site)

    async def _back(self, request: StepRequest) -> StepResult:
        """What a failed run has made stays: nothing is deleted on the way back."""
        place: StackSite = self.site(request.target.site)
        before = await self.register(request.target.site, request).noted()
        if before is None:
            return StepResult(detail="This run did not change it.", changed=False)
        aws = self.aws(request.target.site, request)
        stack = await stack_of(aws, place.stack)
        if stack is not None and stack.status == STUCK:
            return await self._roll_back(request, aws, place)
        if stack is None or stack.status == PLANNED:
            return StepResult(detail=f"{place.stack} was never made.", changed=False)
        if before["stack"] is None and place.stopped is None:
            return StepResult(detail=f"{place.stack} stays: what a run makes is never deleted by it.", changed=False)
        if before["stack"] is None:
            return await self._bring(request, Wish("undo", place.parameters | (place.stopped or {})))
        template = {"TemplateBody": before["template"]} if before["template"] else {"UsePreviousTemplate": True}
        return await self._bring(request, Wish("undo", before["parameters"], template))

    async def _bring(self, request: StepRequest, wish: Wish) -> StepResult:
        name = request.target.site
        place, aws = self.site(name), self.aws(name, request)
        stack = await stack_of(aws, place.stack)
        done = stack is not None and stack.made_by(wish.name(request))
        if not done:
            _insist(request, place, stack, wish)
        noted = _facts(stack) | {"template": await _template(aws, place, stack)}
        self.context.still_mine()
        before = await self.register(name, request).claim(noted)
        changed = not done and await self._execute(request, aws, place, stack, wish)
        if not done and not changed:
            return StepResult(detail=f"{place.stack} is as it is wanted.", changed=False, before=before)
        end = await self._settled(request, aws, place, wish)
        detail = f"In {aws.region}: {place.stack} is {end.status}."
        return StepResult(detail=detail, changed=changed, before=before, after=_facts(end))

    async def _execute(self, request: StepRequest, aws: Aws, place: StackSite, stack: Stack | None, wish: Wish) -> bool:
        """Whether something is changed by it, now or by an earlier attempt."""
        found = await proposed(aws, place, stack, wish, request, self.context)
        if found is None:
            return False
        if not executed(found):
            judge(place, found)
            self.context.still_mine()
            await execute(aws, place, wish, request)
        return True

    async def _settled(self, request: StepRequest, aws: Aws, place: StackSite, wish: Wish) -> Stack:
        """The stack, when the change set has been executed."""

        async def see() -> tuple[Stack | None, str]:
            stack = await stack_of(aws, place.stack)
            going = stack is not None and not stack.settled
            return stack, await newest_event(aws, place.stack) if going else "CloudFormation was asked"

        def over(seen: tuple[Stack | None, str]) -> bool:
            stack = seen[0]
            return stack is not None and stack.made_by(wish.name(request)) and stack.settled

        stack, _ = await until(see, over, lambda seen: f"{place.stack}: {seen[1]}", self.context, self.patience)
        assert stack is not None
        if stack.stands and stack.status != ROLLED_BACK:
            return stack
        raise PermanentError(
            Code.CHECK_FAILED,
            f"{place.stack} is {stack.status}: {await first_failure(aws, place.stack)}.",
            "Its events in AWS tell why. Mend it, and run again.",
        )

    async def _roll_back(self, request: StepRequest, aws: Aws, place: StackSite) -> StepResult:
        """Go on with a rollback that AWS itself could not finish."""
        self.context.still_mine()
        await self.register(request.target.site, request).claim({})
        self.context.still_mine()
        await aws.change(
            "cloudformation",
            "continue_update_rollback",
            StackName=place.stack,
            ClientRequestToken=token(request.ref, "rollback"),
        )
        await until(
            lambda: stack_of(aws, place.stack),
            lambda stack: stack is not None and stack.status == ROLLED_BACK,
            lambda stack: f"{place.stack} is {stack.status if stack else 'gone'}",
            self.context,
            self.patience,
        )
        return StepResult(detail=f"In {aws.region}: {place.stack} is as it was.", changed=True)

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: StackSite = self.site(request.target.site)
        look = cli(
            place,
            *("cloudformation", "describe-stacks", "--stack-name", place.stack),
            *("--query", "Stacks[0].[StackStatus,Parameters]", "--output", "json"),
            why=f"Status and parameters of {place.stack}.",
            shows="_COMPLETE",
        )
        starts = verb is Verb.START_INSTANCES
        if not starts and place.stopped is None:
            return ByHand(look=(look,), notes=(f"{place.stack} stays as it is.",))
        wanted = place.parameters | ({} if starts else place.stopped or {})
        given = [f"ParameterKey={key},ParameterValue={json.dumps(value)}" for key, value in sorted(wanted.items())]
        template = (
            ("--template-url", place.template_url) if starts and place.template_url else ("--use-previous-template",)
        )
        act = cli(
            place,
            *("cloudformation", "create-change-set", "--stack-name", place.stack, "--change-set-name", "by-hand"),
            *template,
            *(("--parameters", *given) if given else ()),
            *(("--capabilities", *place.capabilities) if place.capabilities else ()),
            why="Ask what would change. Parameters that are not named need `ParameterKey=NAME,UsePreviousValue=true`; a"
            " stack that is not there yet needs `--change-set-type CREATE`.",
        )
        names = ("--stack-name", place.stack, "--change-set-name", "by-hand")
        see = cli(
            place,
            *("cloudformation", "describe-change-set", *names, "--query", "Changes[].ResourceChange"),
            why=f"At most {place.most_changes} changes, and nothing removed or replaced that is to stay.",
        )
        do = cli(place, "cloudformation", "execute-change-set", *names, why="Do it.")
        return ByHand(look=(look,), act=(act, see, do), after=(look,), notes=(IDENTITY,))


def _facts(stack: Stack | None) -> dict[str, Any]:
    if stack is None:
        return {"stack": None}
    return {
        "stack": stack.status,
        "parameters": {key: value for key, value in stack.parameters.items() if value != HIDDEN},
        "outputs": stack.outputs,
        "drift": stack.drift,
    }


def _has(stack: Stack, wanted: dict[str, str]) -> bool:
    return all(stack.parameters.get(key) in (value, HIDDEN) for key, value in wanted.items())


async def _template(aws: Aws, place: StackSite, stack: Stack | None) -> str:
    """The template that stands, where another may take its place; empty where it is kept.

    Raises:
        PermanentError: LIMIT_EXCEEDED, for one that could not be put back.
    """
    if place.template_url is None or stack is None or stack.status == PLANNED:
        return ""
    found = (await aws.read("cloudformation", "get_template", StackName=place.stack))["TemplateBody"]
    body = found if isinstance(found, str) else json.dumps(found)
    if len(body.encode()) > LARGEST:
        raise PermanentError(
            Code.LIMIT_EXCEEDED,
            f"The template of {place.stack} is larger than {LARGEST} bytes: it could not be put back.",
            "Update the stack to its new template beforehand, and leave `template_url` out of the runbook.",
        )
    return body


def _insist(request: StepRequest, place: StackSite, stack: Stack | None, wish: Wish) -> None:
    """It can be changed now, and stands as the plan saw it or as it is wanted."""
    if stack is None or stack.status == PLANNED:
        if wish.template.get("UsePreviousTemplate"):
            raise PermanentError(
                Code.NOT_FOUND,
                f"There is no {place.stack} in {place.region}, and the runbook has no template of it.",
                "Make the stack, or give `template_url`.",
            )
        return
    if not stack.settled:
        sentence = f"{place.stack} is {stack.status}: another change is at work on it."
        raise TemporaryError(Code.PRECONDITION_CHANGED, sentence, "It is tried again by itself.", delay=BUSY_SECONDS)
    if not stack.stands:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"{place.stack} is {stack.status}, and takes no change.",
            "Mend it in AWS, then retry.",
        )
    if hidden := sorted(key for key in wish.parameters if stack.parameters.get(key) == HIDDEN):
        raise PermanentError(
            Code.CONFIGURATION,
            f"{place.stack} hides the value of {', '.join(hidden)}, so that nobody could put it back.",
            "Leave it out of the runbook: it keeps its value then.",
        )
    planned = request.before.facts.get("parameters", {}) if request.before and not request.undo else {}
    changed = [
        key
        for key, value in wish.parameters.items()
        if key in planned and stack.parameters.get(key) not in (planned[key], value)
    ]
    if changed:
        raise PermanentError(
            Code.PRECONDITION_CHANGED,
            f"Since the run was planned, somebody changed {', '.join(sorted(changed))} of {place.stack}.",
            "Look who did, and plan again.",
        )
