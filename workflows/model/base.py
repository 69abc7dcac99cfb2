"""Base classes and the scalar types that every other model is written in."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

_UNITS: Mapping[str, float] = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_LONGEST = timedelta(days=3660)

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,39}$"


class Strict(BaseModel):
    """What people write (runbooks, requests): an unknown field is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=4000, use_attribute_docstrings=True)


class Message(BaseModel):
    """What our own parts send each other. Fields are only ever added, with defaults, so that a run
    survives a deploy; a field from a newer version is ignored by an older one."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


def parse_duration(value: Any) -> Any:
    """Read `"1h30m"`, `"250ms"` or `"90d"`. A bare number is refused: its unit would be a guess."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError('expected a duration with its unit, such as "30s", "15m", "1h30m" or "90d"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    if seconds > _LONGEST.total_seconds():
        raise ValueError("expected a duration of at most ten years")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """The exact inverse of `parse_duration`: `timedelta(minutes=90)` gives `"1h30m"`."""
    rest = round(value.total_seconds() * 1000)
    if rest <= 0:
        return "0s"
    words = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words)


def in_words(seconds: float | None) -> str:
    """A duration for people: `0.284` gives "284 ms", `75` gives "1 min 15 s", None "not measured"."""
    if seconds is None:
        return "not measured"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours else f"{days} days"


def bytes_in_words(count: float) -> str:
    """An amount of data for people, in powers of ten: `1500` gives "1.5 kB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\d+(\.\d+)?(ms|[smhdw]))+$",
            "examples": ["30s", "15m", "1h30m", "90d"],
            "description": "A duration with its unit: ms, s, m, h, d or w.",
        }
    ),
]

Name = Annotated[str, Field(pattern=NAME_PATTERN, description="Lower-case letters, digits and dashes.")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class SecretRef(Strict):
    """Where a secret is found at the moment of use. The value itself never stands in a runbook."""

    env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    file: Text | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "SecretRef":
        if (self.env is None) == (self.file is None):
            raise ValueError("expected exactly one of `env` and `file`")
        return self
