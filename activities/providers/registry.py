"""Finds a provider by the name of its kind, and imports it only then.

The kind is the path of its module, which holds the class as `PROVIDER`: `postgres` is in
`activities.providers.postgres`, `aws.rds` in `activities.providers.aws.rds`.
"""

from collections.abc import Mapping

from activities.optional import load
from workflows.model.failure import Code, PermanentError

from .base import Provider

KINDS: Mapping[str, str] = {
    "postgres": "postgres",
    "process": "",
    "dns": "dns",
    "power.http": "",
    "files": "",
    "aws.accelerator": "aws",
    "aws.arc": "aws",
    "aws.asg": "aws",
    "aws.elb": "aws",
    "aws.route53": "aws",
    "aws.dynamodb": "aws",
    "aws.ebs": "aws",
    "aws.vpc": "aws",
    "aws.rds": "aws",
    "aws.ec2": "aws",
    "aws.ecs": "aws",
    "aws.eks": "aws",
    "aws.lambda": "aws",
    "aws.ssm": "aws",
    "aws.invoke": "aws",
    "aws.cloudformation": "aws",
    "aws.s3": "aws",
    "aws.aurora": "aws",
    "aws.efs": "aws",
    "aws.secrets": "aws",
    "aws.drs": "aws",
}
"""Every kind that this release knows, and the optional dependency group that it wants ('' for none)."""


class Registry:
    """Looks kinds up; tests pass further providers in `extra`."""

    def __init__(self, extra: Mapping[str, type[Provider]] | None = None) -> None:
        self._found: dict[str, type[Provider]] = dict(extra or {})

    @property
    def kinds(self) -> list[str]:
        """All known kinds, sorted."""
        return sorted({*KINDS, *self._found})

    def get(self, kind: str) -> type[Provider]:
        """The provider of that kind.

        Raises:
            PermanentError: UNSUPPORTED for an unknown kind, CONFIGURATION when its packages are not installed.
        """
        if kind not in self._found:
            self._found[kind] = self._load(kind)
        return self._found[kind]

    def _load(self, kind: str) -> type[Provider]:
        if kind not in KINDS:
            raise PermanentError(Code.UNSUPPORTED, f"There is no kind {kind!r}.", f"Known: {', '.join(self.kinds)}.")
        module = load(f"activities.providers.{kind}", f"The kind {kind!r}", KINDS[kind])
        found: type[Provider] = module.PROVIDER
        return found
