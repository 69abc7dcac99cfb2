"""The settings of a power controller, as they stand in a runbook."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from workflows.model.base import Duration, SecretRef, Strict


class HttpPowerSettings(Strict):
    """One host of one controller. Nothing that names the host has a default: it is what will be switched off."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
    """Without user or password; the token is sent in a header."""
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
    token: SecretRef
    timeout: Duration = timedelta(seconds=3)
    """For one request."""
    settle: Duration = timedelta(seconds=10)
    """How long the controller may take until it reports what was asked."""
