"""Follows a run on a screen: a live picture at a terminal, one line for each change anywhere else."""

from collections.abc import Callable, Iterator
from typing import Protocol

from rich.console import Console
from rich.live import Live

from workers.cli.watch_view import render
from workflows.model.base import in_words
from workflows.model.progress import ProgressView, StepRecord, StepState

_TOLD = (StepState.DONE, StepState.FAILED, StepState.UNKNOWN, StepState.UNDONE, StepState.UNDO_FAILED)


class Screen(Protocol):
    """Something that shows one view after the other."""

    def show(self, view: ProgressView) -> None:
        """Show the newest view."""

    def aside(self, speak: Callable[[], None]) -> None:
        """Let somebody else use the terminal for a moment."""

    def close(self) -> None:
        """End; what was shown last stays."""


def screen_for(console: Console) -> Screen:
    """The live picture, or lines where no terminal is."""
    return _Picture(console) if console.is_terminal else _Lines(console)


class _Picture:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8)
        self._live.start()

    def show(self, view: ProgressView) -> None:
        self._live.update(render(view, self._console.width))

    def aside(self, speak: Callable[[], None]) -> None:
        self._live.refresh()
        self._live.stop()
        try:
            speak()
        finally:
            self._live = Live(console=self._console, refresh_per_second=8)
            self._live.start()

    def close(self) -> None:
        self._live.stop()


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[tuple[str, StepState, int]] = set()
        self._headline = ""

    def show(self, view: ProgressView) -> None:
        for record in view.steps:
            self._tell(record)
        if (view.gate or view.parked or view.state.ended) and view.headline != self._headline:
            self._headline = view.headline
            self._console.print(view.headline, soft_wrap=True, markup=False)

    def _tell(self, record: StepRecord) -> None:
        change = (record.id, record.state, record.attempts)
        if record.state not in _TOLD or change in self._told:
            return
        self._told.add(change)
        self._console.print("  ".join(_words(record)), soft_wrap=True, markup=False)

    def aside(self, speak: Callable[[], None]) -> None:
        speak()

    def close(self) -> None:
        pass


def _words(record: StepRecord) -> Iterator[str]:
    yield f"{record.ended:%H:%M:%S} UTC" if record.ended else "            "
    yield f"{record.state.value:<8}"
    took = (record.ended - record.started).total_seconds() if record.ended and record.started else None
    yield f"{in_words(took) if took is not None else '':>8}"
    yield record.words
    if record.detail:
        yield f"({record.detail})"
