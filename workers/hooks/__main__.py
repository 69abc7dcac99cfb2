"""Writes the description of the API: `python -m workers.hooks`."""

import json
from pathlib import Path

from workers.hooks.app import bare_app

FILE = Path("docs/reference/webhook.openapi.json")


def text() -> str:
    """The OpenAPI document, as it is committed."""
    return json.dumps(bare_app().openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    print(f"Wrote {FILE}")
