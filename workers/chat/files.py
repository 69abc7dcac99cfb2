"""The report as a file."""

from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from workflows.model.report import Report


@dataclass(frozen=True)
class File:
    """Something to put into a conversation."""

    name: str
    title: str
    content: str

    async def upload(self, web: AsyncWebClient, channel: str, thread: str = "") -> None:
        """Put it there. What is said with it would be read by Slack as markup; so nothing is."""
        await web.files_upload_v2(
            channel=channel,
            filename=self.name,
            title=self.title,
            content=self.content,
            thread_ts=thread or None,
        )


def report_file(report: Report, form: str) -> File:
    """The report as `md` or `html`; the same run always gives the same name."""
    from activities.report_render import to_html, to_markdown

    name = f"{report.workflow_id.replace('/', '-')}.{form}"[-120:]
    content = to_html(report) if form == "html" else to_markdown(report)
    return File(name, f"Report of {report.workflow_id}"[:120], content)
