"""The verbs of the kind `files` that fence, promote and copy, on real trees."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from activities.providers.files import fence as fence_module
from activities.providers.files import state as state_module
from activities.providers.files.state import Standing
from tests.provider.conformance import EPOCH, Conformance, Subject, over
from tests.provider.files_kit import Sites, broken, fingerprint, hidden_programs, refused, start
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, OutcomeUnknownError
from workflows.model.messages import StepResult
from workflows.model.observed import Reach
from workflows.model.plan import Mode


@pytest.fixture
def sites(tmp_path: Path) -> Sites:
    return Sites(tmp_path)


class Fenced(Subject):
    def __init__(self, sites: Sites) -> None:
        self.sites = sites

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        here = where or OLD
        return await self.sites.provider(here, _mine(over)).fence(self.sites.ask(here, "fence", epoch))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        return await self.sites.provider(OLD).unfence(self.sites.ask(OLD, "unfence", epoch, result=result))

    async def state(self) -> Any:
        marks = [(self.sites.state(OLD) / name).exists() for name in ("fence.json", "epoch.json")]
        return fingerprint(self.sites.folder / OLD / "data"), self.folders(), marks

    def folders(self) -> list[str]:
        return [path.name for path in (self.sites.folder / OLD).glob("data.fenced-*")]

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fence_module, "sync", broken)
            yield

    async def disturb(self) -> None:
        _give_role(self.sites, OLD, "standby")

    async def count(self) -> int:
        return len(self.folders())


class Promoted(Subject):
    undoable = False

    def __init__(self, sites: Sites) -> None:
        self.sites = sites

    async def do(self, epoch: int = EPOCH, *, over: bool = False, hurry: bool = False, where: str = "") -> StepResult:
        here = where or NEW
        return await self.sites.provider(here, _mine(over)).promote(self.sites.ask(here, "promote", epoch))

    async def undo(self, epoch: int = EPOCH, result: StepResult | None = None) -> StepResult:
        raise NotImplementedError

    async def state(self) -> Any:
        return (self.sites.state(NEW) / "epoch.json").read_text(), fingerprint(self.sites.tree(NEW))

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(state_module.Tree, "forget", broken)
            yield

    async def disturb(self) -> None:
        _give_role(self.sites, NEW, "primary")

    async def count(self) -> int:
        stands = Standing.model_validate_json((self.sites.state(NEW) / "epoch.json").read_bytes())
        return int((stands.epoch, stands.role) == (EPOCH, "primary"))


def _mine(is_over: bool) -> Any:
    return over if is_over else lambda: None


def _give_role(sites: Sites, site: str, role: Any) -> None:
    tree = sites.provider(site).tree(site)
    tree.write("epoch.json", Standing(epoch=3, key="somebody", role=role))


class AtOnce(Conformance):
    async def test_cancelled_midway_and_asked_again_it_happens_once(self, subject: Subject) -> None:
        async with subject.held():
            with pytest.raises(OutcomeUnknownError):
                await subject.do()
        await subject.do()
        assert await subject.count() == 1


class TestFence(AtOnce):
    @pytest.fixture
    async def subject(self, sites: Sites) -> Subject:
        await sites.synced()
        return Fenced(sites)


class TestPromote(AtOnce):
    @pytest.fixture
    async def subject(self, sites: Sites) -> Subject:
        await sites.synced()
        return Promoted(sites)


# --- Fence ---


async def test_a_program_that_still_writes_keeps_the_fence_unproved_and_is_named(sites: Sites) -> None:
    await sites.synced()
    with (sites.tree(OLD) / "log").open("w") as log:
        error = await refused(sites.provider(OLD).fence(sites.ask(OLD, "fence")), Code.FENCE_UNPROVEN)
        assert str(os.getpid()) in error.sentence
        log.write("a late line")
    result = await sites.provider(OLD).fence(sites.ask(OLD, "fence"))
    assert result.proof
    assert result.proof.proven
    assert await sites.provider(OLD).probe_write(OLD) is Reach.REFUSED


async def test_a_shell_that_stands_in_the_tree_counts_too(sites: Sites) -> None:
    process = start(["sleep", "60"], sites.tree(OLD) / "sub")
    try:
        error = await refused(sites.provider(OLD).fence(sites.ask(OLD, "fence")), Code.FENCE_UNPROVEN)
        assert "sleep" in error.sentence
    finally:
        process.kill()
        process.wait()
    assert (await sites.provider(OLD).unfence(sites.ask(OLD, "unfence"))).changed
    assert await sites.provider(OLD).probe_write(OLD) is Reach.SERVING


async def test_a_program_that_cannot_be_looked_into_counts_too(sites: Sites) -> None:
    if not (hidden := hidden_programs()):
        pytest.skip("Nothing is hidden from us on this machine.")
    provider = sites.provider(OLD, trusted_programs=())
    error = await refused(provider.fence(sites.ask(OLD, "fence")), Code.FENCE_UNPROVEN)
    assert any(name in error.sentence for name in hidden)


async def test_what_appears_in_place_of_the_fenced_tree_is_no_proof(sites: Sites) -> None:
    await sites.provider(OLD).fence(sites.ask(OLD, "fence"))
    sites.tree(OLD).mkdir()
    assert await sites.provider(OLD).probe_write(OLD) is Reach.SERVING
    await refused(sites.provider(OLD).fence(sites.ask(OLD, "fence")), Code.FENCE_UNPROVEN)
    with pytest.raises(OutcomeUnknownError):
        await sites.provider(OLD).unfence(sites.ask(OLD, "unfence"))
    sites.tree(OLD).rmdir()
    await sites.provider(OLD).unfence(sites.ask(OLD, "unfence"))
    assert (sites.tree(OLD) / "one.txt").read_text() == "one"


async def test_unfencing_is_refused_once_the_other_site_serves(sites: Sites) -> None:
    await sites.synced()
    await sites.move(OLD, 5)
    await refused(sites.provider(OLD).unfence(sites.ask(OLD, "unfence")), Code.PRECONDITION_CHANGED)


async def test_a_fenced_tree_that_was_changed_is_not_promoted_elsewhere(sites: Sites) -> None:
    await sites.synced()
    (sites.tree(OLD) / "in time").write_text("in time")
    fenced = await sites.provider(OLD).fence(sites.ask(OLD, "fence", mode=Mode.PLANNED))
    assert fenced.proof
    (sites.folder / OLD / "data.fenced-5" / "late").write_text("late")
    asked = sites.ask(NEW, "sync", mode=Mode.PLANNED, position=fenced.proof.position)
    await refused(sites.provider(NEW).sync_delta(asked), Code.INCONSISTENT)
    promote = sites.ask(NEW, "promote", mode=Mode.PLANNED, position=fenced.proof.position)
    await refused(sites.provider(NEW).promote(promote), Code.TARGET_UNFIT)
