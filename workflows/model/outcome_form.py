"""What people write down who finished a run by hand: the form at the end of its page."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from .base import Name, Strict, Text
from .plan import Mode, Operation

FILL_IN = "fill-in"
"""Stands where people have to write something; no answer."""


def _filled(text: str) -> str:
    if text == FILL_IN:
        raise ValueError("expected an answer, or no such line at all")
    return text


Answer = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_filled)]
Named = Annotated[Name, AfterValidator(_filled)]


class Outcome(StrEnum):
    """How a step came out."""

    BY_RUN = "by-run"
    """The run had done it before it was lost."""
    BY_HAND = "by-hand"
    NOT_DONE = "not-done"


class StepOutcome(Strict):
    """One step. `by` is wanted for what was done by hand."""

    outcome: Outcome
    by: Answer | None = None
    at: Answer | None = None
    """When, as it was noted."""
    note: Answer | None = None

    @model_validator(mode="after")
    def _named(self) -> "StepOutcome":
        if self.outcome is Outcome.BY_HAND and self.by is None:
            raise ValueError("expected `by`: the name of the person who did the step by hand")
        return self


class OutcomeForm(Strict):
    """The form as a whole. All but `active_site`, `protected`, `agreed_by` and the steps is filled in by Seawall."""

    form: Literal[1]
    run: Text
    application: Name
    operation: Operation
    mode: Mode
    source: Name
    target: Name
    choice: Text = "latest"
    epoch: Annotated[int, Field(ge=1)]
    declared: AwareDatetime
    active_site: Named
    """Where users are served now."""
    protected: bool = False
    """Whether the other site follows again."""
    agreed_by: tuple[Named, ...] = ()
    """Who agreed when no machine asked."""
    steps: dict[str, StepOutcome] = Field(min_length=1)
