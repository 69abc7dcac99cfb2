"""What settings name: every identifier of AWS in them, by its form. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

FORMS: Mapping[str, re.Pattern[str]] = {
    "image": re.compile(r"ami-[0-9a-f]+"),
    "subnet": re.compile(r"subnet-[0-9a-f]+"),
    "security group": re.compile(r"sg-[0-9a-f]+"),
    "instance": re.compile(r"i-[0-9a-f]+"),
    "key": re.compile(r"arn:aws[a-z-]*:kms:.+"),
    "target group": re.compile(r"arn:aws[a-z-]*:elasticloadbalancing:.+:targetgroup/.+"),
    "certificate": re.compile(r"arn:aws[a-z-]*:acm:.+"),
}


def named(settings: BaseModel) -> dict[str, set[str]]:
    """Identifiers by what they are."""
    found: dict[str, set[str]] = defaultdict(set)
    for text in _texts(settings.model_dump(mode="json")):
        for what, form in FORMS.items():
            if form.fullmatch(text):
                found[what].add(text)
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
