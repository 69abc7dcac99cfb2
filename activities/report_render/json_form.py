"""A report as JSON, and the schema that documents its fields."""

from typing import Any

from workflows.model.report import Report

_SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


def to_json(subject: Report) -> str:
    """The report as JSON, in the order of the model's fields."""
    return subject.model_dump_json(indent=2) + "\n"


def report_schema() -> dict[str, Any]:
    """The JSON schema of a report, with the meaning of each field."""
    return {"$schema": _SCHEMA_ID, **Report.model_json_schema(mode="serialization"), "title": "Seawall report"}
