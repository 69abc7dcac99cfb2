"""What an operator does in the Temporal Web UI, in the words that the Web UI uses."""

import json
import re
import time
from urllib.parse import quote, urlencode

from playwright.sync_api import FrameLocator, Locator, Page, expect

_QUEUE = "seawall"
_PATIENCE = 30.0


class Console:
    """The Web UI, open in one page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._workflows = f"{url}/namespaces/default/workflows"

    # --- Start ---

    def start(self, run: str, data: str = "", workflow_type: str = "Failover") -> None:
        """Fill in the start form by hand, start the run, and open it."""
        page = self.page
        self._go_to_list()
        page.get_by_role("main").get_by_role("link", name="Start Workflow").first.click()
        page.get_by_role("textbox", name="Workflow ID").fill(run)
        page.get_by_role("textbox", name="Task Queue").fill(_QUEUE)
        page.get_by_role("textbox", name="Workflow Type").fill(workflow_type)
        self._type_data(page.get_by_role("textbox", name="Data"), data)
        page.get_by_role("main").get_by_role("button", name="Start Workflow").click()
        started = page.get_by_role("link", name="Workflow started successfully")  # the last run's may still be there
        started.and_(page.locator(f'[href*="{quote(run, safe="")}/"]')).click()
        expect(page.get_by_role("heading", name=run)).to_be_visible()

    # --- Watch ---

    def tab(self, name: str) -> Locator:
        """A tab of the open run: `Timeline`, `Event History`, `User Metadata`."""
        return self.page.get_by_role("tab", name=name)

    def expect_status(self, status: str) -> None:
        """Wait until the open run is in that status of Temporal's: `Running`, `Completed`, `Failed`."""
        shown = self.page.get_by_role("main").get_by_role("status").first
        expect(shown).to_have_text(re.compile(status, re.IGNORECASE))

    def result(self) -> Locator:
        """The result of the open run; a long one holds only the lines that are in view."""
        self.tab("Timeline").click()
        return self.page.get_by_role("textbox", name="Result")

    def details(self, until: str) -> Locator:
        """The current details of the open run, read again (key R) until they hold that text."""
        self.tab("User Metadata").click()
        body = self._pane().locator("body")
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                expect(body).to_contain_text(until, timeout=2_000)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                self.page.keyboard.press("r")
            else:
                return body

    def input_for(self, update: str) -> str:
        """The input that the details offer for that update, as it would be copied."""
        pane = self._pane()
        row = pane.get_by_role("row").filter(has=pane.get_by_text(update, exact=True))
        return row.locator("code").last.inner_text()

    def list_runs(self, **attributes: str) -> Locator:
        """The rows of the list of runs whose search attributes have these values."""
        query = " AND ".join(f'{name}="{value}"' for name, value in attributes.items())
        self.page.goto(f"{self._workflows}?{urlencode({'query': query})}")
        return self.page.get_by_role("main").get_by_role("row")

    # --- Act ---

    def send(self, update: str, data: str = "") -> Locator:
        """Send an update to the open run. The dialog: it is gone when the update was taken, else it says why not."""
        page = self.page
        page.get_by_role("button", name="More Actions").click()
        page.get_by_role("menuitem", name="Send an Update").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Select an Update").click()
        page.get_by_role("option", name=re.compile(f"^{update}\\b")).click()
        self.submit(dialog, data)
        return dialog

    def submit(self, dialog: Locator, data: str) -> None:
        """Send the update of an open dialog, with another input than before."""
        self._type_data(dialog.get_by_role("textbox", name="Data"), data)
        dialog.get_by_role("button", name="Submit").click()

    def close(self, dialog: Locator) -> None:
        """Leave a dialog without doing anything."""
        dialog.get_by_role("button", name="Cancel").last.click()
        expect(dialog).to_be_hidden()

    # --- Small things ---

    def _go_to_list(self) -> None:
        if self.page.url.startswith(self._workflows):
            self.page.get_by_role("navigation", name="Primary").get_by_role("link", name="Workflows").click()
        else:
            self.page.goto(self._workflows)

    def _pane(self) -> FrameLocator:
        return self.page.frame_locator('iframe[src^="/render"]').last

    def _type_data(self, box: Locator, data: str) -> None:
        """Type JSON. The box lays it out anew when it loses the focus, and what is below it moves: a click before
        that misses."""
        if not data:
            return
        box.fill(data)
        box.blur()
        expect(box.locator(".cm-line")).to_have_text(json.dumps(json.loads(data), indent=2).splitlines())
