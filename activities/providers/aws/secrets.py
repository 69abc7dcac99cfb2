"""The kind `aws.secrets`: secrets and parameters that must be there before the application starts. It only looks.

Secrets Manager replicates to the other region by itself; Systems Manager has no replication, so that a parameter is put
into each region by whoever makes it. No value is ever read: a secret's version and a parameter's name tell enough.

Its role is compute, so that what needs it can wait for it: its start is the check (with `prewarm: true` it is made
before people decide), and its stop is nothing. As data it would have to be fenced, which nothing here can be.
"""

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from activities.providers.base import now
from activities.providers.by_hand import ByHand
from workflows.model.base import Strict
from workflows.model.failure import Code, PermanentError, SeawallError, TemporaryError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.observed import Observation, Reach
from workflows.model.plan import Mode
from workflows.model.runbook import Role
from workflows.model.verbs import Verb

from .by_hand import IDENTITY, cli
from .calls import Aws
from .component import AwsProvider
from .errors import Refused
from .settings import AwsSettings, AwsSite

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9/_+=.@-]{1,512}$")]
CURRENT = "AWSCURRENT"
BATCH = 50
"""Names in one filter of DescribeParameters."""


class SecretsSettings(AwsSettings):
    """The same names in each region."""

    sites: dict[str, AwsSite]
    secrets: tuple[Name, ...] = Field(default=(), max_length=200)
    """Of Secrets Manager."""
    parameters: tuple[Name, ...] = Field(default=(), max_length=500)
    """Of Systems Manager."""

    @model_validator(mode="after")
    def _not_empty(self) -> "SecretsSettings":
        if not self.secrets and not self.parameters:
            raise ValueError("name `secrets` or `parameters` that the application needs")
        return self


class Standing(Strict):
    """What is there."""

    versions: dict[str, str]
    """The current version of each secret, by its name."""
    parameters: tuple[str, ...]
    missing: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return self.model_dump(mode="json")


class SecretsProvider(AwsProvider):
    """Invariant: nothing is changed."""

    kind: ClassVar[str] = "aws.secrets"
    role: ClassVar[Role | None] = Role.COMPUTE
    verbs: ClassVar[frozenset[Verb]] = frozenset({Verb.OBSERVE, Verb.START_INSTANCES, Verb.STOP_INSTANCES})
    Settings: ClassVar[type[AwsSettings]] = SecretsSettings

    settings: SecretsSettings

    async def observe(self, component: str, site: str, observer: str) -> Observation:
        facts: dict[str, Any] = {}
        try:
            stands = await self._look(self.aws(site))
            facts = stands.facts()
            reach = Reach.STANDBY if stands.missing else Reach.SERVING
            detail = _told(stands)
        except SeawallError as error:
            reach, detail = Reach.SILENT, error.sentence
        return Observation(
            component=component, site=site, observer=observer, reach=reach, at=now(), detail=detail, facts=facts
        )

    def by_hand(self, verb: Verb, request: StepRequest) -> ByHand:
        place: AwsSite = self.site(request.target.site)
        if verb is Verb.STOP_INSTANCES:
            return ByHand(notes=("There is nothing to do.",))
        secrets = [
            cli(
                place,
                *("secretsmanager", "describe-secret", "--secret-id", name, "--query", "VersionIdsToStages"),
                why=f"The secret {name} is there.",
                shows=CURRENT,
                otherwise="Replicate it, or make it: what needs it would not start.",
            )
            for name in self.settings.secrets
        ]
        query = ("--query", "Parameter.Version")
        parameters = [
            cli(
                place,
                *("ssm", "get-parameter", "--name", name, *query),
                why=f"The parameter {name} is there: its version is shown. An error: make it.",
            )
            for name in self.settings.parameters
        ]
        return ByHand(look=(*secrets, *parameters), notes=(IDENTITY,))

    async def start_instances(self, request: StepRequest) -> StepResult:
        """Insist that all are there, and, in a planned move, that they are of the source's version. An unplanned one
        asks nothing of the lost region.

        Raises:
            PermanentError: TARGET_UNFIT, naming what is missing.
            TemporaryError: NOT_PROTECTED, while a newer version is on its way.
        """
        name, other = request.target.site, request.target.source
        stands = await self._look(self.aws(name, request))
        if stands.missing:
            raise PermanentError(
                Code.TARGET_UNFIT,
                f"At {name} there is no {', '.join(stands.missing[:10])}.",
                "Replicate the secrets, and make the parameters; what needs them would not start.",
            )
        if request.mode is Mode.PLANNED and other != name and other in self.settings.sites:
            there = await self._look(self.aws(other, request))
            late = sorted(one for one, version in there.versions.items() if stands.versions[one] != version)
            if late:
                raise TemporaryError(
                    Code.NOT_PROTECTED,
                    f"At {name} there is another version of {', '.join(late[:10])} than at {other}.",
                    "Look at their replication; it is tried again by itself.",
                    delay=5.0,
                )
        return StepResult(detail=_told(stands), changed=False, before=stands.facts(), after=stands.facts())

    async def stop_instances(self, request: StepRequest) -> StepResult:
        """Nothing: they stay where they are."""
        return StepResult(detail=f"What {request.target.site} holds stays there.", changed=False)

    async def _look(self, aws: Aws) -> Standing:
        versions = {name: await self._version(aws, name) for name in self.settings.secrets}
        parameters: set[str] = set()
        for first in range(0, len(self.settings.parameters), BATCH):
            wanted = list(self.settings.parameters[first : first + BATCH])
            by_name = [{"Key": "Name", "Option": "Equals", "Values": wanted}]
            found = await aws.pages("ssm", "describe_parameters", "Parameters", ParameterFilters=by_name)
            parameters |= {one["Name"] for one in found}
        absent = [name for name, version in versions.items() if not version]
        return Standing(
            versions={name: version for name, version in versions.items() if version},
            parameters=tuple(sorted(parameters)),
            missing=(*absent, *(name for name in self.settings.parameters if name not in parameters)),
        )

    async def _version(self, aws: Aws, name: str) -> str:
        """The current version; empty where there is none, or where the secret is being deleted."""
        try:
            found = await aws.read("secretsmanager", "describe_secret", SecretId=name)
        except Refused as error:
            if error.code is Code.NOT_FOUND:
                return ""
            raise
        stages: dict[str, list[str]] = found.get("VersionIdsToStages", {})
        current = next((version for version, labels in stages.items() if CURRENT in labels), "")
        return "" if found.get("DeletedDate") else current


def _told(stands: Standing) -> str:
    missing = f"; missing: {', '.join(stands.missing[:10])}" if stands.missing else ""
    return f"{len(stands.versions)} secrets and {len(stands.parameters)} parameters are there{missing}."


PROVIDER = SecretsProvider
