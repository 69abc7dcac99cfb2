"""A real lab with its real Web UI, and a browser to meet it with."""

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from infra.lab import lab
from infra.lab.info import LabInfo
from tests.browser.console import Console

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE_MS = 30_000
_FAILED = pytest.StashKey[bool]()

Picture = Callable[[Page, str], None]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember a failure, so that the page can be photographed before it closes."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is. Without it the tests skip, or fail where SEAWALL_NO_SKIP is set."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        reason = "Chromium is missing. On Debian: apt-get install chromium"
        if os.environ.get("SEAWALL_NO_SKIP"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def surroundings() -> None:
    """The environment in which the lab's processes are started; a module may have one of its own."""


@pytest.fixture(scope="module")
def info(chromium: str, surroundings: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    """A lab of its own, with workers; not started where there is no browser to look at it."""
    folder = Path(tmp_path_factory.mktemp("lab")) / "here"
    started = lab.up(folder, say=print)
    try:
        yield started
    finally:
        lab.down(folder, print, everything=True)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        try:
            yield started
        finally:
            started.close()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One for all tests: loading the Web UI costs seconds, going on inside it does not."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, timezone_id="UTC", locale="en-GB")
    context.route("https://**/*", lambda route: route.abort())  # its news feed; nothing here calls outside
    context.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    try:
        yield context.new_page()
    finally:
        context.close()


@pytest.fixture
def console(info: LabInfo, page: Page, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Console]:
    """The Web UI. When the test fails, what it showed last is in `failure.png`, and the next test loads it anew."""
    yield Console(page, info.temporal_ui_url)
    if request.node.stash.get(_FAILED, False):
        page.screenshot(path=tmp_path / "failure.png", full_page=True)
        print(f"What the Web UI showed: {tmp_path / 'failure.png'}")
        page.goto("about:blank")


@pytest.fixture(scope="session")
def picture() -> Picture:
    """Keeps a screenshot for the documentation in the folder that SEAWALL_PICTURES names; else does nothing."""
    folder = os.environ.get("SEAWALL_PICTURES")

    def keep(page: Page, name: str) -> None:
        if folder:
            page.evaluate("document.activeElement.blur()")  # no frame around what was clicked last
            page.screenshot(path=Path(folder) / f"{name}.png")

    return keep
