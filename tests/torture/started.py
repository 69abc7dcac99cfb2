"""One execution that a scenario has started."""

from dataclasses import dataclass, field
from typing import Any

from temporalio.client import WorkflowHandle


@dataclass
class Started:
    """An execution, and what was seen of it from outside."""

    handle: WorkflowHandle[Any, Any]
    run: str
    kind: str
    leg: int
    rival: bool = False
    reset_from: str = ""
    terminated: bool = False
    leaked: bool = False
    codes: list[str] = field(default_factory=list)
    """The codes that its gate showed."""
    old_codes: list[str] = field(default_factory=list)
    """Those of the execution that a reset took it from."""
    answered: bool = False
    risk_tried: bool = False
    tries: int = 0
