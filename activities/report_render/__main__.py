"""Writes the schema of reports: `python -m activities.report_render`."""

import json
from pathlib import Path

from . import report_schema

SCHEMA_FILE = Path("docs/reference/report.schema.json")

if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(report_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"Wrote {SCHEMA_FILE}")
