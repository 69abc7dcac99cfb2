"""`seawall notices test` as its users see it, against real HTTP sinks."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.sink import TOKEN, sink
from workers.cli.main import app

RUNBOOKS = Path("runbooks")
NOTICES = """
notices:
  channels:
    chat: {url: {env: CHAT_URL}}
    mail: {url: {env: MAIL_URL}}
  audiences: {responders: [chat]}
"""


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *words: str, more: str = NOTICES) -> tuple[int, str]:
    (tmp_path / "shop.yaml").write_text((RUNBOOKS / "shop.yaml").read_text(encoding="utf-8") + more, encoding="utf-8")
    values = (RUNBOOKS / "shop.values.example.yaml").read_text(encoding="utf-8")
    (tmp_path / "shop.values.yaml").write_text(values, encoding="utf-8")
    monkeypatch.setenv("SEAWALL_RUNBOOKS", str(tmp_path))
    found = CliRunner().invoke(app, ["notices", "test", "shop", *words])
    return found.exit_code, found.output + str(found.exception or "")


def test_each_channel_gets_a_message_that_says_it_is_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sink() as chat, sink("refuses") as mail:
        monkeypatch.setenv("CHAT_URL", chat.url)
        monkeypatch.setenv("MAIL_URL", mail.url)
        code, said = run(tmp_path, monkeypatch)
        assert code == 1
        assert "chat: taken" in said
        assert "mail: It could not be reached, or did not take the message." in said
        assert chat.subjects == ["TEST: shop: can you read this?"]
        assert TOKEN not in said
        code, said = run(tmp_path, monkeypatch, "--channel", "chat", "--json")
        assert (code, json.loads(said)) == (0, [{"channel": "chat", "taken": True, "detail": ""}])


def test_a_secret_that_is_not_set_and_a_channel_that_is_none_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAT_URL", raising=False)
    code, said = run(tmp_path, monkeypatch, "--channel", "chat")
    assert code == 1
    assert "CHAT_URL" in said
    code, said = run(tmp_path, monkeypatch, "--channel", "pager")
    assert "There is no channel 'pager'. There are: chat, mail." in said
    code, said = run(tmp_path, monkeypatch, more="")
    assert "shop has no channels." in said
