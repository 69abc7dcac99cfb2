"""What the chat gateway finds in its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from workflows.model.failure import Code, PermanentError

BOT, APP, SECRET = "SEAWALL_SLACK_BOT_TOKEN", "SEAWALL_SLACK_APP_TOKEN", "SEAWALL_SLACK_SIGNING_SECRET"
CHANNEL, APPLICATIONS = "SEAWALL_SLACK_CHANNEL", "SEAWALL_SLACK_APPLICATIONS"
API = "https://slack.com/api/"


@dataclass(frozen=True)
class ChatSettings:
    """How Slack is reached, and what is told there."""

    bot_token: str = field(repr=False)
    channel: str
    """The id of the channel in which each run has its thread."""
    app_token: str = field(default="", repr=False)
    """With it Slack is called by us (socket mode), and nothing listens here."""
    signing_secret: str = field(default="", repr=False)
    """Without an app token: what shows that a request is Slack's."""
    applications: frozenset[str] = frozenset()
    """Whose runs are told; of all when empty."""
    api: str = API
    gateway: str = "chat"
    """This gateway's name in the policy."""
    form: str = "md"
    """Of the report: `md` or `html`."""
    post_seconds: float = 1.0
    """Slack takes one message a second in a channel."""
    edit_seconds: float = 1.2
    """And fifty edits a minute, of all messages together."""
    look_seconds: float = 1.0
    """How often a run is looked at."""
    socket_ping_seconds: float = 10.0


def read_chat_settings(environment: Mapping[str, str] = os.environ) -> ChatSettings:
    """The settings of this process.

    Raises:
        PermanentError: CONFIGURATION, with what is missing.
    """
    told = {name: environment.get(name, "").strip() for name in (BOT, APP, SECRET, CHANNEL)}
    missing = [name for name in (BOT, CHANNEL) if not told[name]]
    if not told[APP] and not told[SECRET]:
        missing.append(f"{APP} (socket mode) or {SECRET} (HTTP)")
    form = environment.get("SEAWALL_SLACK_REPORT", "md")
    if missing or form not in ("md", "html"):
        wrong = f"{' and '.join(missing)} wanted" if missing else "SEAWALL_SLACK_REPORT is md or html"
        raise PermanentError(Code.CONFIGURATION, f"The chat gateway cannot start: {wrong}.", "See docs/chatops.md.")
    return ChatSettings(
        bot_token=told[BOT],
        channel=told[CHANNEL],
        app_token=told[APP],
        signing_secret=told[SECRET],
        applications=frozenset(environment.get(APPLICATIONS, "").replace(",", " ").split()),
        api=environment.get("SEAWALL_SLACK_API", API),
        gateway=environment.get("SEAWALL_GATEWAY", "chat"),
        form=form,
    )
