"""The kind `aws.invoke`: functions of Lambda as hooks, each called once and waited for.

A function is told which run and which step it is called for, and a key: the same one for every attempt at the step, so
that it can tell a second call from a first. (The kind `aws.lambda` is about something else: event source mappings.)
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import model_validator

from activities.providers.by_hand import ByHand
from workflows.model.base import Duration
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import Ref, StepRequest
from workflows.model.verbs import Verb

from .by_hand import IDENTITY, cli
from .calls import Aws
from .errors import Refused
from .hooks import Errand, Hook, HookProvider, Seen
from .ids import FunctionName
from .settings import AwsSettings, AwsSite

DONE, FAILED = "done", "failed with "
"""What the register says of a call that was answered; behind the second, the type of the error."""


class FunctionHook(Hook):
    """A function, which gets `given` and, beside it, `seawall`: run, step, way, epoch and key."""

    function: FunctionName
    given: dict[str, str | int | float | bool] = {}
    """Never a secret."""

    @model_validator(mode="after")
    def _seawall_is_taken(self) -> "FunctionHook":
        if "seawall" in self.given:
            raise ValueError("`seawall` is what the function is told by Seawall: choose another name")
        return self

    @property
    def title(self) -> str:
        return self.function


class InvokeSite(AwsSite):
    """The functions of a site."""

    start: FunctionHook | None = None
    """When the application comes to the site; without one, nothing is done then."""
    stop: FunctionHook | None = None
    """When it leaves, and when a start is undone."""

    @model_validator(mode="after")
    def _one_at_least(self) -> "InvokeSite":
        if self.start is None and self.stop is None:
            raise ValueError("name a function to `start` with, or one to `stop` with")
        return self


class InvokeSettings(AwsSettings):
    """Functions by site."""

    sites: dict[str, InvokeSite]
    read_timeout: Duration = timedelta(minutes=1)
    """For the function to answer in: more than its own timeout, or its end would be unknown."""


class InvokeProvider(HookProvider):
    """Invariant: what a function answers is not told, but for the type of an error."""

    kind: ClassVar[str] = "aws.invoke"
    Settings: ClassVar[type[AwsSettings]] = InvokeSettings

    async def known(self, aws: Aws, place: InvokeSite) -> dict[str, str]:
        """The version and the digest of the code of each function.

        Raises:
            PermanentError: CONFIGURATION, for a function that may run longer than it is waited for.
        """
        found: dict[str, str] = {}
        for hook in {one.title: one for one in (place.start, place.stop) if one}.values():
            try:
                function = await aws.read("lambda", "get_function_configuration", FunctionName=hook.function)
            except Refused as error:
                if error.code is not Code.NOT_FOUND:
                    raise
                continue
            self._insist_on_time(hook, function["Timeout"])
            found[hook.function] = f"{function['Version']} {function['CodeSha256']}"
        return found

    async def begin(self, aws: Aws, errand: Errand) -> str:
        """Call it, and wait for its answer."""
        payload = json.dumps(errand.hook.given | {"seawall": _told(errand.ref, errand.part)}).encode()
        answer = await aws.change(
            "lambda",
            "invoke",
            FunctionName=errand.hook.function,
            InvocationType="RequestResponse",
            Payload=payload,
        )
        if not answer.get("FunctionError"):
            return DONE
        return f"{FAILED}{await asyncio.to_thread(_error_type, answer)}"

    async def earlier(self, aws: Aws, errand: Errand) -> str:
        """Lambda keeps no list of calls."""
        del aws, errand
        return ""

    async def seen(self, aws: Aws, errand: Errand, found_by: str) -> Seen:
        del aws
        failed = f"the error {found_by.removeprefix(FAILED)}" if found_by.startswith(FAILED) else ""
        return Seen(ended=True, failed=failed, words=f"{errand.hook.function} has answered.")

    def _insist_on_time(self, hook: FunctionHook, seconds: int) -> None:
        if seconds >= self.settings.read_timeout.total_seconds():
            raise PermanentError(
                Code.CONFIGURATION,
                f"{hook.function} may run for {seconds} s, and is waited for no longer than that.",
                "Set `read_timeout` above the timeout of the function.",
            )

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: InvokeSite = self.site(request.target.site)
        way = "start" if verb is Verb.START_INSTANCES else "stop"
        hook: FunctionHook | None = getattr(place, way)
        if hook is None:
            return ByHand(notes=("The runbook names no function for this: there is nothing to do.",))
        payload = json.dumps(hook.given | {"seawall": _told(request.ref, f"{way} 1")})
        asked = ("--function-name", hook.function, "--cli-binary-format", "raw-in-base64-out", "--payload", payload)
        why = f"Call {hook.function}." + ("" if hook.idempotent else " NEVER type this twice.")
        act = cli(
            place,
            *("lambda", "invoke", *asked, "--query", "[StatusCode,FunctionError]", "--output", "text", "/dev/null"),
            why=why,
            shows="None",
            otherwise="The function has failed: its log group in CloudWatch tells why.",
        )
        return ByHand(act=(act,), notes=("Whether it was called already, its log group tells.", IDENTITY))


def _told(ref: Ref, part: str) -> Mapping[str, Any]:
    """What a function is told of the step; the key is the same for all attempts at it, by hand too."""
    way, _, time = part.partition(" ")
    key = ref.key if time == "1" else f"{ref.key}:{time}"
    return {"run": ref.workflow_id, "step": ref.step, "way": way, "epoch": ref.epoch, "key": f"{key}:{way}"}


def _error_type(answer: Mapping[str, Any]) -> str:
    """Of a function that failed, as its runtime says it; Lambda's own word for it where that says nothing."""
    try:
        return str(json.loads(answer["Payload"].read())["errorType"])[:100]
    except (ValueError, KeyError, TypeError):
        return str(answer["FunctionError"])


PROVIDER = InvokeProvider
