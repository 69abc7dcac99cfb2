"""A verb of several calls, of which one has taken effect."""

import contextlib
from collections.abc import Iterator

from workflows.model.failure import OutcomeUnknownError, PermanentError


@contextlib.contextmanager
def landed(what: str) -> Iterator[None]:
    """Behind a verb's first effect: what is refused now has not left the world as it was, so that an undo is owed.

    Raises:
        OutcomeUnknownError: in the place of a PermanentError, which says that nothing was changed.
    """
    try:
        yield
    except PermanentError as error:
        raise OutcomeUnknownError(f"{what}, and then: {error.sentence}", error.next_step) from None
