"""The JSON schema of runbooks, for editors."""

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from activities.providers.registry import Registry
from workflows.model.base import format_duration
from workflows.model.runbook import Runbook
from workflows.model.verbs import Verb

_WHOLE = {"$ref": "#/$defs/Placeholder"}
_WITHIN = {"$ref": "#/$defs/TextWithPlaceholder"}
_PLACEHOLDERS = {
    "Placeholder": {
        "type": "string",
        "pattern": r"^\$\{[a-z][a-z0-9_]*\}$",
        "description": "A value from the values file beside the runbook.",
    },
    "TextWithPlaceholder": {
        "type": "string",
        "pattern": r"\$\{[a-z][a-z0-9_]*\}",
        "description": "Text with a value from the values file beside the runbook.",
    },
}
_PROVIDERS = {
    "type": "object",
    "title": "Providers",
    "description": "Settings that all components of a family share, such as `aws`: laid under those of each.",
    "additionalProperties": {"type": "object"},
}
_CONSTRAINTS = ("pattern", "format", "minLength", "enum")
_EXAMPLES: dict[str, dict[str, list[Any]]] = {
    "Runbook": {"application": ["shop"], "home": ["primary"], "deadline": ["30m"]},
    "Owner": {"name": ["Anna Berg"], "email": ["anna.berg@example.org"]},
    "Review": {"last": ["2026-11-22"], "interval": ["90d"]},
    "Objectives": {"rto": ["15m"], "rpo": ["30s"]},
    "Component": {"kind": ["postgres", "process", "dns"], "needs": [["db"]]},
    "PublicCheck": {"url": ["https://shop.example.org/check"], "resolver": ["127.0.0.1:53"]},
    "ApprovalRule": {"approvers": [["anna", "ben"]], "expires": ["30m"]},
}


class _Schema(GenerateJsonSchema):
    """Writes the defaults of durations as people write them, not as ISO 8601."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def runbook_schema(registry: Registry) -> dict[str, Any]:
    """The JSON schema of a runbook, with the settings of each of the registry's kinds.

    Where a number, a truth value, a list or text of a form is expected, a placeholder is allowed too.

    Raises:
        PermanentError: CONFIGURATION when a kind's packages are not installed; the schema would lack its settings.
    """
    providers = {kind: registry.get(kind) for kind in registry.kinds}
    settings = {kind: provider.Settings for kind, provider in providers.items()}
    names, schema = models_json_schema(
        [(Runbook, "validation"), *((model, "validation") for model in settings.values())],
        ref_template="#/$defs/{model}",
        schema_generator=_Schema,
    )
    definitions: dict[str, Any] = schema["$defs"]
    by_kind = {kind: names[(model, "validation")] for kind, model in settings.items()}
    devices = {kind: ref for kind, ref in by_kind.items() if providers[kind].role is None}
    _settings_by_kind(definitions["Component"], {k: r for k, r in by_kind.items() if k not in devices})
    for name, verb in (("FenceDevice", Verb.FENCE), ("BubbleDevice", Verb.OPEN_BUBBLE)):
        _settings_by_kind(definitions[name], {k: r for k, r in devices.items() if verb in providers[k].verbs})
    for name, fields in _EXAMPLES.items():
        for field, examples in fields.items():
            definitions[name]["properties"][field]["examples"] = examples
    definitions = {name: _allow_placeholders(part) for name, part in definitions.items()}
    runbook = definitions.pop("Runbook")
    runbook["properties"]["providers"] = _PROVIDERS
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "runbook.schema.json",
        **runbook,
        "title": "Seawall runbook",
        "$defs": {**definitions, **_PLACEHOLDERS},
    }


def _settings_by_kind(definition: dict[str, Any], refs: dict[str, Any]) -> None:
    if not refs:
        return
    definition["properties"]["kind"] = {**definition["properties"]["kind"], "enum": sorted(refs)}
    definition["allOf"] = [
        {
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"properties": {"settings": ref}},
        }
        for kind, ref in sorted(refs.items())
    ]


def _allow_placeholders(part: Any, *, condition: bool = False) -> Any:
    """The schema in which each single value may also be a placeholder; conditions on `kind` stay as they are."""
    if isinstance(part, list):
        return [_allow_placeholders(item) for item in part]
    if not isinstance(part, dict) or condition:
        return part
    grown = {
        key: _properties(value) if key == "properties" else _allow_placeholders(value, condition=key in _FIXED)
        for key, value in part.items()
    }
    kind = part.get("type")
    if kind in ("integer", "number", "boolean", "array"):
        return _either(grown, _WHOLE)
    if (kind == "string" and any(key in part for key in _CONSTRAINTS)) and "const" not in part:
        return _either(grown, _WITHIN)
    return grown


_SHOWN = ("title", "description", "default", "examples")
_FIXED = ("if", "propertyNames", "default", "examples", "discriminator", "required")


def _properties(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _allow_placeholders(field) for name, field in fields.items()}


def _either(shape: dict[str, Any], placeholder: dict[str, Any]) -> dict[str, Any]:
    """The words that an editor shows stay outside, the alternatives go in."""
    words: dict[str, Any] = {key: shape[key] for key in _SHOWN if key in shape}
    return {**words, "anyOf": [{k: v for k, v in shape.items() if k not in words}, placeholder]}
