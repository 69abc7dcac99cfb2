"""A schedule that is made while a real run holds the application waits like those that were there before."""

from temporalio.client import Client

from activities.hold_schedules import HeldSchedules
from workflows.model.failure import PermanentError, TemporaryError
from workflows.model.schedules import HoldSchedulesRequest

from . import control


async def hold_the_new(client: Client, application: str) -> None:
    """Pause an application's schedules where a run holds them back now. The run may end meanwhile, so it is asked for
    again afterwards: else nobody would let them go on.

    Raises:
        PermanentError: Temporal did not answer. The schedules stand, and are not known to wait.
    """
    holder = await _holder(client, application)
    while holder:
        try:
            await HeldSchedules(client).keep(HoldSchedulesRequest(application=application, holder=holder))
            now = await _holder(client, application)
            if not now:
                await HeldSchedules(client).keep(HoldSchedulesRequest(application=application, holder=""))
        except TemporaryError as error:
            raise PermanentError(
                error.code,
                f"{error.sentence} Its schedules are made, and may not wait for {holder}, which runs.",
                "Pause them in the Web UI until that run has ended.",
            ) from error
        if now in ("", holder):
            return
        holder = now


async def _holder(client: Client, application: str) -> str:
    state = await control.application_state(client, application)
    return state.schedules_held_for if state else ""
