"""A person with the page for break-glass in hand: reads its Markdown, and types what stands there."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

_STEP = re.compile(r"^#### (?P<id>[\w.\\-]+): ")
_TITLES = {"**Look first**": "look", "**Act**": "act", "**Look after**": "after", "**What undoes it**": "undo"}
_SHOWS = re.compile(r"^Must show: (`+)(?P<text>.*)\1$")


@dataclass
class Typed:
    """One command of the page."""

    line: str
    shows: str = ""


@dataclass
class PaperStep:
    """One step of the page."""

    id: str
    commands: dict[str, list[Typed]] = field(default_factory=lambda: {title: [] for title in _TITLES.values()})


def steps_of(page: str) -> list[PaperStep]:
    """The steps that the page says are left, in its order."""
    found: list[PaperStep] = []
    title, block = "", None
    for line in page.partition("## What is left")[2].partition("## Or go back")[0].splitlines():
        if block is not None:
            if line.startswith("```"):
                found[-1].commands[title].append(Typed("\n".join(block)))
                block = None
            else:
                block.append(line)
        elif line == "```sh":
            block = []
        elif line.startswith("## Afterwards"):
            break
        elif named := _STEP.match(line):
            found.append(PaperStep(named["id"].replace("\\", "")))
        elif line in _TITLES:
            title = _TITLES[line]
        elif shown := _SHOWS.match(line):
            found[-1].commands[title][-1].shows = shown["text"]
    return found


def form_of(page: str) -> str:
    """The form at the end of the page."""
    return page.rpartition("```yaml\n")[2].rpartition("\n```")[0] + "\n"


def type_in(line: str, secrets: Mapping[str, str]) -> str:
    """What the command shows, in a shell that has the secrets."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | dict(secrets)
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=env, timeout=90, check=False)
    return f"{done.stdout}{done.stderr}"


def shown(command: Typed, output: str) -> bool:
    """Whether it shows what it must. One letter of psql must stand alone."""
    return command.shows in (output.split() if len(command.shows) == 1 else output)
