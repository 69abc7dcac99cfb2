"""One real lab for the tests of a module, without workers."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.lab import lab
from infra.lab.info import LabInfo


def silent(_sentence: str) -> None:
    """Say nothing."""


def eventually(look: Callable[[], object], within: float = 20.0) -> None:
    """Wait until `look` is true, or fail."""
    deadline = time.monotonic() + within
    while not look():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    folder = Path(tmp_path_factory.mktemp("lab")) / "here"
    found = lab.up(folder, workers=False, say=silent)
    try:
        yield found
    finally:
        lab.down(folder, silent, everything=True)
