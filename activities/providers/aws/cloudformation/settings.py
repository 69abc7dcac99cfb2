"""What a runbook says of the kind `aws.cloudformation`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from activities.providers.aws.ids import StackName, TemplateUrl
from activities.providers.aws.settings import AwsSettings, AwsSite

Parameters = dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,255}$")], Annotated[str, Field(max_length=4000)]]


class StackSite(AwsSite):
    """The stack of a site. One that was made beforehand with a service role keeps to that role, and whoever executes a
    change set of it needs no right over its resources; the policies in infra/aws allow stacks of that sort only."""

    stack: StackName
    template_url: TemplateUrl | None = None
    """A template in a bucket of this region. Without one the stack has to be there, and keeps the template it has."""
    parameters: Parameters = {}
    """While the application runs here. What is not named keeps the value that the stack has."""
    stopped: Parameters | None = None
    """While it runs at the other site: those of `parameters` that are others then, such as a size. Without them the
    stack stays as it is when the application leaves."""
    capabilities: tuple[
        Literal["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        ...,
    ] = ()
    most_changes: int = Field(ge=1, le=500)
    """A step that would touch more resources is refused."""
    allow_replacement: bool = False
    """Whether resources may be replaced or removed. What they hold is lost then."""

    @model_validator(mode="after")
    def _stopped_can_be_set_back(self) -> "StackSite":
        if unknown := set(self.stopped or {}) - set(self.parameters):
            raise ValueError(f"`stopped` names {', '.join(sorted(unknown))}, which `parameters` would not set back")
        return self


class StackSettings(AwsSettings):
    """One stack a site."""

    sites: dict[str, StackSite]
