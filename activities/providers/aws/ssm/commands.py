"""Run Command: a document on instances.

SendCommand takes no token. Its comment carries the mark of the errand, by which ListCommands finds what an attempt has
sent whose answer was lost.
"""

from collections.abc import Mapping
from typing import Any

from activities.providers.aws.calls import Aws
from activities.providers.aws.hooks import Errand, Seen
from workflows.model.failure import Code, PermanentError

from .settings import CommandHook

SHORTEST = 30
"""Seconds; SendCommand takes no shorter limit."""
ENDED = frozenset({"Success", "Cancelled", "Failed", "TimedOut"})
NAMED = 5
"""So many failed instances are named; the others are counted."""


def comment(errand: Errand) -> str:
    """What a command is found by (100 characters at most)."""
    return f"seawall:{errand.mark[:32]}"


async def send(aws: Aws, errand: Errand, ids: list[str]) -> str:
    """Send it; the id of the command. An instance that cannot take it within the hook's time never runs it."""
    hook: CommandHook = errand.hook
    sent = await aws.change(
        "ssm",
        "send_command",
        DocumentName=hook.command,
        DocumentVersion=errand.version,
        InstanceIds=ids,
        Parameters=hook.given,
        Comment=comment(errand),
        TimeoutSeconds=max(SHORTEST, int(hook.timeout.total_seconds())),
    )
    return str(sent["Command"]["CommandId"])


async def sent_before(aws: Aws, errand: Errand) -> str:
    """The id of the errand's command; empty where there is none."""
    filters = [{"key": "DocumentName", "value": errand.hook.command}]
    found = await aws.pages("ssm", "list_commands", "Commands", Filters=filters)
    return next((str(one["CommandId"]) for one in found if one.get("Comment") == comment(errand)), "")


async def seen(aws: Aws, errand: Errand, command: str) -> Seen:
    """How far it is, and at the end how it went on each instance."""
    found = (await aws.read("ssm", "list_commands", CommandId=command))["Commands"]
    if not found or found[0]["Status"] not in ENDED:
        return Seen(ended=False, words=_progress(errand.hook, found[0] if found else {}))
    runs = await aws.pages("ssm", "list_command_invocations", "CommandInvocations", CommandId=command)
    failed = [f"{one['InstanceId']}: {one['StatusDetails']}" for one in runs if one["Status"] != "Success"]
    if not failed and (not runs or found[0]["Status"] != "Success"):
        failed = [f"the command {command}: {found[0].get('StatusDetails', found[0]['Status'])}"]
    return Seen(ended=True, failed=_few(failed), words=f"{errand.hook.command} has run on {len(runs)} instances.")


async def instances(aws: Aws, hook: CommandHook) -> list[str]:
    """On which it is to run.

    Raises:
        PermanentError: NOT_FOUND, when nothing that runs bears the tags.
    """
    if hook.instances:
        return list(hook.instances)
    asked = [{"Name": f"tag:{key}", "Values": [value]} for key, value in sorted(hook.tags.items())]
    running = {"Name": "instance-state-name", "Values": ["running"]}
    found = await aws.pages("ec2", "describe_instances", "Reservations", Filters=[*asked, running])
    ids = sorted(one["InstanceId"] for reservation in found for one in reservation["Instances"])
    if not ids:
        tags = ", ".join(f"{key}={value}" for key, value in sorted(hook.tags.items()))
        raise PermanentError(
            Code.NOT_FOUND,
            f"No instance that runs in {aws.region} has the tags {tags}.",
            "Start them first, or mend the tags.",
        )
    return ids


def _progress(hook: CommandHook, command: Mapping[str, Any]) -> str:
    done, of = command.get("CompletedCount", 0), command.get("TargetCount", 0)
    return f"{hook.command} has run on {done} of {of} instances"


def _few(failed: list[str]) -> str:
    more = [f"and {len(failed) - NAMED} more"] if len(failed) > NAMED else []
    return ", ".join([*failed[:NAMED], *more])
