"""The environment of a service: a few harmless variables of ours, and what its file says."""

import os
from pathlib import Path

from workflows.model.failure import Code, PermanentError

# Not the worker's whole environment: it holds the secrets of every component.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


def environment(path: str | None) -> dict[str, str]:
    """The variables. Lines are `KEY=VALUE`; blank lines and those that begin with # are passed over, and a value may
    stand in one pair of quotes.

    Raises:
        PermanentError: CONFIGURATION, with the number of the wrong line and never its content.
    """
    found = {name: os.environ[name] for name in INHERITED if name in os.environ}
    if path is None:
        return found
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(
            Code.CONFIGURATION, f"The environment file {path} cannot be read.", "Mend it, then retry."
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or not name.isidentifier():
            raise PermanentError(
                Code.CONFIGURATION, f"Line {number} of {path} is not KEY=VALUE.", "Mend it, then retry."
            )
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
        found[name] = value[1:-1] if quoted else value
    return found
