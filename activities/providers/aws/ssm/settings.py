"""What a runbook says of the kind `aws.ssm`."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from activities.providers.aws.hooks import Hook
from activities.providers.aws.ids import DocumentName, InstanceId, ParameterName
from activities.providers.aws.settings import AwsSettings, AwsSite
from workflows.model.base import Strict

AT_ONCE = 50
"""The most instances that one SendCommand takes by their ids."""


class Stored(Strict):
    """A value that Parameter Store keeps: Systems Manager puts it in, and this side never sees it."""

    parameter: ParameterName

    @property
    def reference(self) -> str:
        """As a document takes it."""
        return f"{{{{ssm:{self.parameter}}}}}"


Value = Annotated[str, Field(max_length=2000)] | Stored | tuple[Annotated[str, Field(max_length=2000)], ...]


class DocumentHook(Hook):
    """What both sorts of document take. The policies in infra/aws allow only documents that are tagged as an
    application's, so that nobody else's can be run: what AWS itself offers has to be called from one's own."""

    parameters: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,50}$")], Value] = {}
    """Never a secret: Systems Manager shows them to whoever may look at it. `{parameter: NAME}` is a value that
    Parameter Store keeps."""

    @property
    def given(self) -> dict[str, list[str]]:
        """The parameters, as AWS wants them."""
        return {name: _list(value) for name, value in self.parameters.items()}


class CommandHook(DocumentHook):
    """A Command document, and the instances on which it runs."""

    command: DocumentName
    instances: tuple[InstanceId, ...] = Field(default=(), max_length=AT_ONCE)
    tags: Mapping[Annotated[str, Field(min_length=1, max_length=128)], Annotated[str, Field(max_length=256)]] = {}
    """In the place of `instances`: those that run and bear all of these tags."""
    most: int | None = Field(default=None, ge=1, le=AT_ONCE)
    """With `tags`: how many instances they may be; a step that would touch more is refused."""

    @model_validator(mode="after")
    def _targets_are_one_sort(self) -> "CommandHook":
        if bool(self.instances) == bool(self.tags):
            raise ValueError("give either `instances` or `tags`")
        if bool(self.tags) != (self.most is not None):
            raise ValueError("`most` goes with `tags`: it caps how many instances they may be")
        if len(set(self.instances)) < len(self.instances):
            raise ValueError("an instance stands twice in the list")
        return self

    @property
    def title(self) -> str:
        return self.command


class AutomationHook(DocumentHook):
    """An Automation document. Asking for it again with the same token does not start it again."""

    automation: DocumentName

    @property
    def title(self) -> str:
        return self.automation

    @property
    def repeatable(self) -> bool:
        return True


class SsmSite(AwsSite):
    """The hooks of a site."""

    start: CommandHook | AutomationHook | None = None
    """When the application comes to the site; without one, nothing is done then."""
    stop: CommandHook | AutomationHook | None = None
    """When it leaves, and when a start is undone."""

    @model_validator(mode="after")
    def _one_at_least(self) -> "SsmSite":
        if self.start is None and self.stop is None:
            raise ValueError("name a document to `start` with, or one to `stop` with")
        return self


class SsmSettings(AwsSettings):
    """Documents by site."""

    sites: dict[str, SsmSite]


def _list(value: str | Stored | tuple[str, ...]) -> list[str]:
    if isinstance(value, tuple):
        return list(value)
    return [value.reference if isinstance(value, Stored) else value]
