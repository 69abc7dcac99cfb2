"""Parts that want packages of an extra: loaded when they are needed, and told of when they cannot be."""

import importlib
from types import ModuleType

from workflows.model.failure import Code, PermanentError


def load(module: str, what: str, extra: str) -> ModuleType:
    """The module.

    Args:
        module: its whole name.
        what: that wants it, as the beginning of a sentence.
        extra: of the package `seawall`, which installs what it wants.

    Raises:
        PermanentError: CONFIGURATION, when a package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise PermanentError(
            Code.CONFIGURATION,
            f"{what} needs the Python package {error.name!r}, which is not installed.",
            f"Install it with: pip install 'seawall[{extra}]'",
        ) from error
