"""PLACEHOLDER, to be replaced by its builder."""

from typing import Any

from workflows.model.messages import StepResult


async def rebuild(provider: Any, request: Any) -> StepResult:
    """Placeholder."""
    raise NotImplementedError
