"""PLACEHOLDER, to be replaced by its builder."""

from typing import Any

from workflows.model.messages import StepResult


async def list_points(provider: Any, request: Any) -> StepResult:
    """Placeholder."""
    raise NotImplementedError


async def prune(provider: Any, request: Any) -> StepResult:
    """Placeholder."""
    raise NotImplementedError
