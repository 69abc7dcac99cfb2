"""The kind `aws.invoke`, against the simulator."""

import shlex
from pathlib import Path

import pytest
from pydantic import ValidationError

from activities.providers.registry import Registry
from tests.awssim.world import WEST, World
from tests.provider.aws.hooks_kit import Hooked, OnceOnly, Rules
from tests.provider.support import NEW
from workflows.model.failure import Code, PermanentError
from workflows.model.verbs import Verb


class Called(Hooked):
    """Two functions. A second call with the same key is none: functions keep to that."""

    kind, field, operation = "aws.invoke", "function", "Invoke"

    def make(self, fails: bool = False) -> str:
        return self.world.function(WEST, "fails: OutOfOrders" if fails else "")

    def ran(self) -> list[str]:
        calls = {line.parameters: line.identifiers[0] for line in self.effects()}
        return list(calls.values())

    async def count(self) -> int:
        return len(self.ran())

    def change(self) -> None:
        self.world.client("lambda", WEST).update_function_code(FunctionName=self.start, ZipFile=b"other")


class TestFunction(Rules, OnceOnly):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Called:
        return Called(tmp_path, world)

    async def test_the_type_of_its_error_is_told_and_nothing_else_of_its_answer(self, subject: Called) -> None:
        subject.hooks["start"] = subject.make(fails=True)
        with pytest.raises(PermanentError, match="the error OutOfOrders") as caught:
            await subject.do()
        assert "it has failed" not in str(caught.value)

    async def test_one_that_may_run_longer_than_it_is_waited_for_is_not_called(
        self, subject: Called, world: World
    ) -> None:
        world.client("lambda", WEST).update_function_configuration(FunctionName=subject.start, Timeout=60)
        with pytest.raises(PermanentError, match="read_timeout") as caught:
            await subject.do()
        assert (caught.value.code, subject.ran()) == (Code.CONFIGURATION, [])

    async def test_by_hand_it_is_called_with_the_key_of_the_step(self, subject: Called) -> None:
        await subject.do()
        (line,) = subject.effects()
        (act,) = subject.provider().by_hand(Verb.START_INSTANCES, subject.asked()).act
        words = shlex.split(act.line)
        payload = words[words.index("--payload") + 1]
        subject.world.client("lambda", WEST).invoke(
            FunctionName=subject.start, InvocationType="RequestResponse", Payload=payload.encode()
        )
        assert [one.parameters for one in subject.effects()] == [line.parameters] * 2


def test_what_the_function_is_told_cannot_be_given() -> None:
    start = {"function": "shop-start", "given": {"seawall": "x"}}
    with pytest.raises(ValidationError, match="choose another name"):
        Registry().get("aws.invoke").Settings.model_validate({"sites": {NEW: {"region": WEST, "start": start}}})
