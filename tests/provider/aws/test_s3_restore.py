"""The kind `aws.s3`, against the simulator: a bucket is brought to a moment, and back."""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from activities.providers.base import now
from tests.awssim.world import World
from tests.provider.aws.kit import AwsConformance
from tests.provider.aws.s3_kit import THEIRS, Buckets
from tests.provider.conformance import EPOCH
from tests.provider.support import NEW
from workflows.model.failure import Code, PermanentError
from workflows.model.messages import StepResult
from workflows.model.observed import RecoveryPoint

TURN = 1.1
"""Seconds: S3 lists times in whole ones."""


class Restore(Buckets):
    """An object that was overwritten, one that was deleted and one that came later."""

    operation = "CopyObject"
    undoable = True
    moment: datetime
    point: RecoveryPoint | None = None

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(folder, world)
        self.set_policy(NEW, [THEIRS])
        self.put(NEW, a="1")

    def go_on(self, moment: datetime) -> None:
        """What was written after the moment."""
        self.moment = moment
        self.put(NEW, a="one", later="3")
        self.stand_by(NEW)

    async def chosen(self) -> RecoveryPoint:
        asked = self.asked("choose", choice=f"before {self.moment.isoformat()}")
        point = (await self.provider().choose_recovery_point(asked)).point
        assert point
        return point

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        self.point = self.point or await self.chosen()
        return await self.provider(over).restore(self.asked("restore", epoch, where or NEW, point=self.point))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.provider().discard_restore(self.asked("restore", epoch, undo=True, result=result))

    async def disturb(self) -> None:
        self.point = await self.chosen()
        self.set_policy(NEW, [THEIRS])

    async def state(self) -> Any:
        return self.held_at(NEW)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, world: World) -> list[Restore]:
    """Enough of them for every test, so that only once a second has to pass."""
    subjects = [Restore(tmp_path_factory.mktemp("worker"), world) for _ in range(20)]
    time.sleep(TURN)
    moment = now()
    time.sleep(TURN)
    for one in subjects:
        one.go_on(moment)
    return subjects


@pytest.fixture
def restore(pool: list[Restore]) -> Restore:
    """One that no test has used."""
    found = pool.pop()
    found.mark = found.world.mark()
    return found


class TestRestore(AwsConformance):
    @pytest.fixture
    def subject(self, restore: Restore) -> Restore:
        return restore

    async def test_a_world_that_changed_since_the_plan_is_refused(self, subject: Restore) -> None:  # type: ignore[override]
        """A bucket that takes writes is never brought back."""
        await subject.disturb()
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert (caught.value.code, await subject.state()) == (Code.ROLE_MISMATCH, {"a": "one", "later": "3"})

    async def test_it_holds_what_it_held_then_and_again_what_it_held_before(self, subject: Restore) -> None:
        result = await subject.do()
        assert await subject.state() == {"a": "1"}
        assert result.point
        assert result.point.name.startswith("as-of-")
        await subject.undo(result=result)
        assert await subject.state() == {"a": "one", "later": "3"}


async def test_a_moment_before_the_first_version_is_refused(restore: Restore) -> None:
    asked = restore.asked("choose", choice="before 2020-01-01T00:00:00Z")
    with pytest.raises(PermanentError, match="no version is as old") as caught:
        await restore.provider().choose_recovery_point(asked)
    assert caught.value.code is Code.NOT_FOUND


async def test_the_latest_is_what_is_there(restore: Restore) -> None:
    point = (await restore.provider().choose_recovery_point(restore.asked("choose"))).point
    assert point
    assert (point.kind, point.size) == ("stream", 4)
    assert not (await restore.provider().restore(restore.asked("restore", point=point))).changed
