"""The files that are made of the code."""

import json
from pathlib import Path
from typing import Any

from activities.providers.aws.duties import Duty

from . import reading
from .roles import template
from .statements import policy

HERE = Path(__file__).parent


def policies() -> dict[Duty, dict[str, Any]]:
    """The policy of each duty, as the code is now."""
    calls = reading.by_verb()
    return {duty: policy(duty, calls) for duty in Duty}


def made() -> dict[Path, str]:
    """Every file with what belongs into it."""
    found = policies()
    return {
        **{HERE / f"{duty}.json": f"{json.dumps(one, indent=2)}\n" for duty, one in found.items()},
        HERE.parent / "roles.yaml": template(found),
    }
