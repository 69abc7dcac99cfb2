"""Starting what is stopped, as much of it as there is room for.

`StartInstances` is all or nothing: one instance for which there is no capacity keeps all others of the call down. So a
call that is refused for capacity is made again with a part of its instances, first by type and zone, which are short
together, then by halves.
"""

from collections import defaultdict
from collections.abc import Sequence

from activities.providers.aws.calls import Aws
from activities.providers.aws.errors import CapacityShort
from activities.providers.base import Context

from .look import Machine, pages

LONE_REFUSALS = 3
"""So many single instances of a type in a zone are asked for; then it is taken to be full. Without a limit, a zone
that is full would cost two calls for each of its instances, and AWS would throttle them."""


class Starter:
    """Starts machines in as few calls as it can; `short` holds the refusal of each that could not be."""

    def __init__(self, aws: Aws, context: Context) -> None:
        self._aws, self._context = aws, context
        self._refused: dict[str, list[CapacityShort]] = defaultdict(list)
        self.short: dict[str, CapacityShort] = {}

    async def start(self, machines: Sequence[Machine]) -> None:
        """Ask for all of them.

        Raises:
            SeawallError: as `Aws.change`, but for what is short.
        """
        known = {machine.id: machine for machine in machines}
        for page in pages(list(known)):
            await self._try([known[one] for one in page])

    async def _try(self, machines: Sequence[Machine]) -> None:
        pools = {machine.pool for machine in machines}
        refused = self._refused[machines[0].pool] if len(pools) == 1 else []
        if len(refused) >= LONE_REFUSALS:
            self.short |= {machine.id: refused[-1] for machine in machines}
            return
        self._context.still_mine()
        try:
            await self._aws.change("ec2", "start_instances", InstanceIds=[machine.id for machine in machines])
        except CapacityShort as error:
            for part in _parts(machines, pools):
                await self._try(part)
            if len(machines) == 1:
                self.short[machines[0].id] = error
                refused.append(error)


def _parts(machines: Sequence[Machine], pools: set[str]) -> list[Sequence[Machine]]:
    if len(pools) > 1:
        return [[machine for machine in machines if machine.pool == pool] for pool in sorted(pools)]
    half = len(machines) // 2
    return [machines[:half], machines[half:]] if half else []
