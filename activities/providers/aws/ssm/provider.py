"""The verbs of the kind `aws.ssm`: see `hooks` for what a hook keeps to."""

import json
from typing import ClassVar

from activities.providers.aws.by_hand import IDENTITY, cli
from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import Refused
from activities.providers.aws.hooks import Errand, HookProvider, Seen
from activities.providers.aws.settings import AwsSettings
from activities.providers.by_hand import ByHand, Command
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest
from workflows.model.verbs import Verb

from . import automation, commands
from .settings import AutomationHook, CommandHook, SsmSettings, SsmSite

NO_DOCUMENT = ("InvalidDocument", "InvalidDocumentVersion")


class SsmProvider(HookProvider):
    """Invariant: a document runs in the version that was looked at, on the instances that the runbook names."""

    kind: ClassVar[str] = "aws.ssm"
    Settings: ClassVar[type[AwsSettings]] = SsmSettings

    async def known(self, aws: Aws, place: SsmSite) -> dict[str, str]:
        """The default version of each document.

        Raises:
            PermanentError: CONFIGURATION, for a document of another sort than the runbook says.
        """
        found: dict[str, str] = {}
        for hook in {one.title: one for one in (place.start, place.stop) if one}.values():
            try:
                document = (await aws.read("ssm", "describe_document", Name=hook.title))["Document"]
            except Refused as error:
                if error.reason not in NO_DOCUMENT:
                    raise
                continue
            _insist_on_its_sort(hook, document["DocumentType"])
            found[hook.title] = str(document["DocumentVersion"])
        return found

    async def begin(self, aws: Aws, errand: Errand) -> str:
        if isinstance(errand.hook, AutomationHook):
            return await automation.start(aws, errand)
        ids = await commands.instances(aws, errand.hook)
        self.within("instances", len(ids), errand.hook.most or len(ids))
        return await commands.send(aws, errand, ids)

    async def earlier(self, aws: Aws, errand: Errand) -> str:
        """An execution need not be looked for: its token finds it."""
        return "" if isinstance(errand.hook, AutomationHook) else await commands.sent_before(aws, errand)

    async def seen(self, aws: Aws, errand: Errand, found_by: str) -> Seen:
        if isinstance(errand.hook, AutomationHook):
            return await automation.seen(aws, errand, found_by)
        return await commands.seen(aws, errand, found_by)

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: SsmSite = self.site(request.target.site)
        hook = place.start if verb is Verb.START_INSTANCES else place.stop
        if hook is None:
            return ByHand(notes=("The runbook names no document for this: there is nothing to do.",))
        look = _last(place, hook)
        note = "" if hook.idempotent else "It may not run twice: look first whether it has run already."
        return ByHand(
            look=(look,), act=(_run(place, hook),), after=(look,), notes=tuple(filter(None, (note, IDENTITY)))
        )


def _insist_on_its_sort(hook: CommandHook | AutomationHook, sort: str) -> None:
    wanted = "Automation" if isinstance(hook, AutomationHook) else "Command"
    if sort != wanted:
        raise PermanentError(
            Code.CONFIGURATION,
            f"{hook.title} is a document of the type {sort}, and the runbook takes it for one of the type {wanted}.",
            f"Name it as `{'automation' if sort == 'Automation' else 'command'}`, or name another.",
        )


def _last(place: SsmSite, hook: CommandHook | AutomationHook) -> Command:
    """The last run of the document."""
    why = f"How {hook.title} ended when it ran last, and when that was."
    if isinstance(hook, AutomationHook):
        what, member = "describe-automation-executions", "AutomationExecutionMetadataList"
        asked = ("--filters", f"Key=DocumentNamePrefix,Values={hook.automation}", "--max-results", "1")
        query = f"{member}[0].[AutomationExecutionStatus,ExecutionStartTime]"
    else:
        what, asked = "list-commands", ("--filters", f"key=DocumentName,value={hook.command}", "--max-results", "1")
        query = "Commands[0].[Status,RequestedDateTime]"
    return cli(place, "ssm", what, *asked, "--query", query, "--output", "text", why=why, shows="Success")


def _run(place: SsmSite, hook: CommandHook | AutomationHook) -> Command:
    parameters = ("--parameters", json.dumps(hook.given)) if hook.parameters else ()
    why = f"Run {hook.title}." + ("" if hook.idempotent else " NEVER type this twice.")
    if isinstance(hook, AutomationHook):
        name = ("--document-name", hook.automation)
        return cli(place, "ssm", "start-automation-execution", *name, *parameters, why=why)
    targets = (
        ("--instance-ids", *hook.instances)
        if hook.instances
        else ("--targets", *(f"Key=tag:{key},Values={value}" for key, value in sorted(hook.tags.items())))
    )
    return cli(place, "ssm", "send-command", "--document-name", hook.command, *targets, *parameters, why=why)
