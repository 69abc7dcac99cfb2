"""What a call names: a digest of its parameters, and the identifiers in its parameters and in its answer. Pure."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

ENDINGS = ("Identifier", "Id", "Arn", "ARN", "Name")
PLAIN = ("Bucket", "Key", "Resources", "ResourceId")


def digest(params: Any) -> str:
    """The same for the same parameters, in whatever order they came."""
    text = json.dumps(params, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> str:
    return hashlib.sha256(value).hexdigest() if isinstance(value, bytes) else str(value)


def asked(params: dict[str, Any]) -> tuple[str, ...]:
    """The identifiers that a request names."""
    found = (text for name, text in _texts(params, "") if name in PLAIN or _stem(name) is not None)
    return tuple(dict.fromkeys(found))


def answered(operation: str, reply: dict[str, Any]) -> tuple[str, ...]:
    """The identifiers of what the operation is about, out of its answer: `RunInstances` gives instance ids only.

    An answer also names what the new thing refers to (its subnet, its image); those are left out by comparing the name
    of each member with the operation's noun.
    """
    noun = _noun(operation)
    found = (text for name, text in _texts(reply, "") if _about(noun, _stem(name)))
    return tuple(dict.fromkeys(found))


def _noun(operation: str) -> str:
    """`RunInstances` is about `Instance`, `CreateDBInstanceReadReplica` about `DBInstanceReadReplica`."""
    rest = next((operation[at:] for at in range(1, len(operation)) if operation[at].isupper()), operation)
    return rest.removesuffix("s")


def _stem(name: str) -> str | None:
    ending = next((end for end in ENDINGS if name.endswith(end)), None)
    return name.removesuffix(ending) if ending else None


def _about(noun: str, stem: str | None) -> bool:
    return bool(stem) and (noun.startswith(str(stem)) or str(stem).startswith(noun))


def _texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every text with the name of its member; what is only called `Id` takes its parent's name before it."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from _texts(inner, f"{name.removesuffix('s')}{key}" if key in ("Id", "Arn") else key)
        case list() | tuple():
            for inner in value:
                yield from _texts(inner, name)
        case str() if value:
            yield (name.removesuffix("s") if name.endswith(("Ids", "Arns", "Names")) else name), value
