"""What people type after `/dr`. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workflows.model.failure import Code, PermanentError

STARTS = ("failover", "switchover", "failback", "reprotect", "drill")
DECISIONS = ("approve", "reject")
ANSWERS = ("retry", "skip", "accept-degraded", "abort", "pause", "resume")
LOOKS = ("help", "status", "runs", "plan", "report")
VERBS = (*LOOKS, *STARTS, *DECISIONS, *ANSWERS, "ack")

_SWITCHES = {"failover": ("planned",), "plan": ("planned", "live"), "drill": ("live",)}
_VALUES = {
    "failover": ("to", "point", "despite-evidence"),
    "switchover": ("to", "at"),
    "failback": ("at",),
    "drill": ("point",),
}


@dataclass(frozen=True)
class Typed:
    """A command, in parts."""

    verb: str
    about: str = ""
    """The application or the run."""
    options: dict[str, Any] = field(default_factory=dict)
    rest: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What was typed behind all of that."""
        return " ".join(self.rest)


def read(text: str) -> Typed:
    """What was typed, in parts.

    Raises:
        PermanentError: INVALID_INPUT, for a verb or an option that does not exist.
    """
    # A keyboard may make a dash of two hyphens, and curl the quotes.
    words = text.replace("\u2014", "--").replace("\u2013", "--").split()
    verb = words[0].lower() if words else "help"
    if verb not in VERBS:
        raise PermanentError(Code.INVALID_INPUT, f"There is no `/dr {verb[:40]}`.", f"There are: {', '.join(VERBS)}.")
    rest = words[1:]
    about = rest.pop(0) if rest and not rest[0].startswith("--") else ""
    options: dict[str, Any] = {}
    while rest and rest[0].startswith("--"):
        name = rest.pop(0).removeprefix("--").lower()
        options[name.replace("-", "_")] = _option(verb, name, rest)
    return Typed(verb, about, options, tuple(rest))


def _option(verb: str, name: str, rest: list[str]) -> Any:
    if name in _SWITCHES.get(verb, ()):
        return True
    known = [f"--{one}" for one in (*_SWITCHES.get(verb, ()), *_VALUES.get(verb, ()))]
    if name not in _VALUES.get(verb, ()) or not rest:
        wrong = "wants a value" if name in _VALUES.get(verb, ()) else "does not exist"
        raise PermanentError(
            Code.INVALID_INPUT,
            f"The option --{name[:40]} of `/dr {verb}` {wrong}.",
            f"There are: {', '.join(known)}." if known else "It has no options.",
        )
    return _value(name, rest)


def _value(name: str, rest: list[str]) -> str:
    if rest[0][0] in '"\u201c':
        return _quoted(rest)
    word = rest.pop(0)
    if name == "point" and word == "before" and rest:
        return f"before {rest.pop(0)}"
    return word


def _quoted(rest: list[str]) -> str:
    taken = []
    while rest:
        taken.append(rest.pop(0))
        if taken[-1][-1] in '"\u201d' and (len(taken) > 1 or len(taken[-1]) > 1):
            break
    return " ".join(taken).strip('"\u201c\u201d')


def moment(text: str) -> datetime:
    """`2026-11-22T02:00Z`.

    Raises:
        PermanentError: INVALID_INPUT.
    """
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise PermanentError(Code.INVALID_INPUT, "--at wants a time in UTC, such as 2026-11-22T02:00Z.")
