"""What an unquoted word of YAML means, and the words that mean different things to different readers.

Those are refused rather than interpreted: a country code `no` that becomes false, a port `012` that becomes 10 or a
window `1:30` that becomes 90 would be noticed in the middle of a disaster.
"""

import math
import re
from datetime import date
from typing import NamedTuple

from .tree import Plain

_LONGEST_NUMBER = 18
_LONGEST_TRAP = 64
"""Longer text is text: the patterns below may take time that grows with the square of its length."""


class TrapError(ValueError):
    """An unquoted word that cannot be taken at its face."""

    def __init__(self, wrong: str, advice: str) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.advice = advice


class _Trap(NamedTuple):
    pattern: re.Pattern[str]
    reading: str
    advice: str


_QUOTE = "Quote it if it is text."
_TRAPS = (
    _Trap(re.compile(r"(?i:yes|no|on|off|y|n)"), "true or false", "Write true or false, or quote it if it is text."),
    _Trap(re.compile(r"~|(?i:null)"), "nothing at all", "Write a value, remove the line, or quote it if it is text."),
    _Trap(re.compile(r"[-+]?0[0-9_]+"), "an octal number", "Remove the leading zero, or quote it if it is text."),
    _Trap(re.compile(r"[-+]?0[0-9]+\.[0-9]*"), "an octal number", "Remove the leading zero, or quote it."),
    _Trap(re.compile(r"[-+]?0[xXoObB][0-9a-fA-F_]*"), "a number to another base", f"Write it in decimal. {_QUOTE}"),
    _Trap(
        re.compile(r"[-+]?[0-9]+(?::[0-9]+)+(?:\.[0-9]*)?"), "a number to base 60", f'Write "90s" or "1h30m". {_QUOTE}'
    ),
    _Trap(re.compile(r"[-+]?\.(?i:inf|nan)"), "infinity or not-a-number", f"Write a finite number. {_QUOTE}"),
    _Trap(
        re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?"), "a number with underscores", f"Remove them. {_QUOTE}"
    ),
    _Trap(
        re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+"), "a number or text", f"Write it out. {_QUOTE}"
    ),
    _Trap(re.compile(r"[-+]?(?:[0-9]+\.|\.[0-9]+)"), "a number or text", f'Write it as "0.5" without quotes. {_QUOTE}'),
    _Trap(
        re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:.*"),
        "a moment in an unclear time zone",
        "Write a date such as 2026-11-22, or quote it if it is text.",
    ),
)
_SUSPECT = re.compile(r"[-+.0-9~]|(?:yes|no|on|off|y|n|null)\Z", re.IGNORECASE)
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def meaning(text: str) -> Plain:
    """The value of an unquoted word: a bool, a whole number, a decimal fraction, a date, or the text itself.

    Raises:
        TrapError: the word means different things to different readers of YAML.
    """
    if text in _TRUTH:
        return _TRUTH[text]
    if not _SUSPECT.match(text):
        return text
    if _INTEGER.fullmatch(text) or _FRACTION.fullmatch(text):
        return _number(text)
    if len(text) > _LONGEST_TRAP:
        return text
    for trap in _TRAPS:
        if trap.pattern.fullmatch(text):
            raise TrapError(f"{shown(text)} without quotes may be read as {trap.reading}", trap.advice)
    return _day(text) if _DATE.fullmatch(text) else text


def shown(text: str) -> str:
    """The text in quotes, cut to what a message can hold."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _number(text: str) -> int | float:
    if len(text) > _LONGEST_NUMBER:
        raise TrapError("the number has more digits than can be kept exactly", _QUOTE)
    number = float(text) if "." in text else int(text)
    if not math.isfinite(number):
        raise TrapError("the number is too large", _QUOTE)
    return number


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise TrapError(f"{text} is not a day of the calendar", "Write a date such as 2026-11-22.") from error
