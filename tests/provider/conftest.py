"""Real parts for the provider tests: a PostgreSQL pair for each test, copied from one that is made once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.provider.support import PASSWORD, PASSWORD_NAME, Pair, bin_dir


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both clusters, stopped."""
    tools = bin_dir()
    if tools is None:
        pytest.skip("No PostgreSQL server programs on this machine.")
    os.environ[PASSWORD_NAME] = PASSWORD
    pair = Pair(tmp_path_factory.mktemp("template"), tools)
    try:
        pair.make()
        yield pair
    finally:
        pair.close()


@pytest.fixture
def pair(template: Pair, tmp_path: Path) -> Iterator[Pair]:
    """A running pair of this test alone."""
    twin = Pair(tmp_path, template.tools)
    try:
        twin = template.copy(tmp_path)
        yield twin
    finally:
        twin.close()
