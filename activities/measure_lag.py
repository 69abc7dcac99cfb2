"""measure_lag: how far the replica is behind, by a marker that was written and seen, never by its own word."""

from workflows.model.base import in_words
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepRequest, StepResult
from workflows.model.verbs import Verb

from .bench import Bench
from .wire import Pulse, verb


class MeasureLag:
    """Writes one marker at the serving site."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @verb(Verb.MEASURE_LAG)
    async def measure_lag(self, request: StepRequest, pulse: Pulse) -> StepResult:
        """Ask the provider, and hold its answer against the limit.

        Raises:
            PermanentError: TARGET_UNFIT when the replica is further behind than the run allows.
        """
        result = await (await self._bench.provider(request.target, pulse)).measure_lag(request)
        lag = result.after.get("lag_seconds")
        if isinstance(lag, int | float) and lag > request.max_lag:
            raise PermanentError(
                Code.TARGET_UNFIT,
                f"{request.target.name} at {request.target.target} is {in_words(lag)} behind; "
                f"{in_words(request.max_lag)} are allowed.",
                "Wait until it has caught up, or find out why it does not, then ask again.",
            )
        return result
