"""The kind `aws.rds`, against the simulator: the old site is kept, set aside and replaced by a replica."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.awssim.faults import Kind, Rule
from tests.awssim.world import World
from tests.provider.aws.kit import AwsConformance
from tests.provider.aws.rds_kit import COPIES, Databases
from tests.provider.conformance import EPOCH
from tests.provider.support import NEW, OLD
from workflows.model.failure import Code, OutcomeUnknownError, PermanentError
from workflows.model.messages import StepResult
from workflows.model.observed import Reach
from workflows.model.plan import Mode


class Home(Databases):
    """After a failover: the west serves, the east was fenced."""

    acts_at, undoable = OLD, False

    def prepare(self) -> None:
        self.rds[NEW].promote_read_replica(DBInstanceIdentifier=self.name, BackupRetentionPeriod=1)
        self.isolate(OLD)


class Rebuilt(Home):
    operation, verb = "CreateDBInstanceReadReplica", "rebuild_replica"

    async def state(self) -> Any:
        return self.source(OLD)

    async def disturb(self) -> None:
        self.rds[OLD].create_db_instance_read_replica(
            DBInstanceIdentifier=f"{self.name}-was-{EPOCH}", SourceDBInstanceIdentifier=self.name
        )
        self.mark = self.world.mark()


class TestRebuild(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Rebuilt:
        return Rebuilt(tmp_path, world)

    async def test_the_old_instance_is_kept_under_another_name_and_marked(self, subject: Rebuilt) -> None:
        await subject.do()
        old = subject.look(OLD, f"{subject.name}-was-{EPOCH}")
        assert "seawall:abandoned" in {tag["Key"] for tag in old["TagList"]}
        assert subject.source(OLD) == subject.look(NEW)["DBInstanceArn"]
        assert subject.behind(OLD) == [subject.provider().site(OLD).security_groups[0]]

    async def test_an_old_instance_that_may_serve_is_not_touched(self, subject: Rebuilt) -> None:
        subject.regroup(OLD, subject.provider().site(OLD).security_groups[0])
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.ROLE_MISMATCH
        assert subject.effects("ModifyDBInstance")[1:] == []

    async def test_where_nothing_serves_there_is_nothing_to_follow(self, subject: Rebuilt) -> None:
        subject.isolate(NEW)
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.ROLE_MISMATCH

    async def test_a_rename_whose_answer_is_lost_is_gone_on_with(self, subject: Rebuilt) -> None:
        subject.operation = "ModifyDBInstance"
        async with subject.held():
            with pytest.raises(OutcomeUnknownError):
                await subject.do()
        assert (await subject.do()).changed
        assert subject.source(OLD)

    async def test_it_is_protected_once_a_lag_is_measured(self, subject: Rebuilt) -> None:
        await subject.do()
        with pytest.raises(OutcomeUnknownError, match="not measured"):
            await subject.provider(settle="0s").protect(subject.asked())
        subject.lag(2.0, site=OLD)
        assert (await subject.provider().protect(subject.asked())).after == {"lag_seconds": 2.0}
        assert (await subject.provider().measure_lag(subject.asked())).after["lag_seconds"] == 2.0

    async def test_without_a_replica_the_old_site_gets_its_first_copy(self, subject: Rebuilt) -> None:
        subject.part = COPIES
        assert (await subject.do()).changed
        assert len(subject.kept(OLD)) == 1
        assert subject.look(OLD) is not None
        assert (await subject.provider().protect(subject.asked())).detail.startswith("seawall-shop")


class Archived(Home):
    operation, verb = "CreateDBSnapshot", "archive_diverged"

    async def state(self) -> Any:
        return self.kept(OLD)

    async def disturb(self) -> None:
        """It compares with nothing but who serves."""


class Replica(Archived):
    """The east follows the west."""

    def prepare(self) -> None:
        super().prepare()
        self.rds[OLD].delete_db_instance(DBInstanceIdentifier=self.name, SkipFinalSnapshot=True)
        self.replicate(NEW, OLD)


class TestArchive(AwsConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path, world: World) -> Archived:
        return Archived(tmp_path, world)

    async def test_a_world_that_changed_since_the_plan_is_refused(self, subject: Archived) -> None:  # type: ignore[override]
        subject.regroup(OLD, subject.provider().site(OLD).security_groups[0])
        with pytest.raises(PermanentError) as caught:
            await subject.do()
        assert caught.value.code is Code.ROLE_MISMATCH
        assert subject.kept(OLD) == []

    async def test_it_says_that_rows_cannot_be_told_and_is_no_recovery_point(self, subject: Archived) -> None:
        found = (await subject.do()).divergence
        assert found is not None
        assert (found.diverged, found.complete, found.tables) == (True, False, ())
        assert ":snapshot:seawall-shop" in found.folder
        assert (await subject.provider().list_points(subject.asked())).points == ()

    async def test_a_replica_has_nothing_of_its_own(self, tmp_path: Path, world: World) -> None:
        pair = Replica(tmp_path, world)
        found = (await pair.provider().archive_diverged(pair.asked())).divergence
        assert found is not None
        assert (found.diverged, found.complete) == (False, True)


def test_every_verb_can_be_done_by_hand(tmp_path: Path, world: World) -> None:
    subject = Archived(tmp_path, world)
    for verb in sorted(subject.provider().verbs):
        subject.verb = verb.value
        found = subject.provider().by_hand(verb, subject.asked())
        assert found.commands, verb
        assert all(" --region us-" in command.line for command in found.commands)


class Moved(Databases):
    """A switchover from the east to the west, each step with what the run saw when it was planned."""

    operation = "none"

    async def state(self) -> Any:
        return self.source(OLD), self.source(NEW)


async def test_a_switchover_goes_through_and_the_old_site_follows(tmp_path: Path, world: World) -> None:
    subject = Moved(tmp_path, world)
    provider = subject.provider()
    proofs: tuple[Any, ...] = ()
    seen = {site: await provider.observe("db", site, "control") for site in (OLD, NEW)}
    for site, verb in (
        (NEW, "choose_recovery_point"),
        (OLD, "fence"),
        (NEW, "sync_delta"),
        (NEW, "promote"),
        (OLD, "archive_diverged"),
        (OLD, "rebuild_replica"),
        (NEW, "protect"),
    ):
        subject.verb = verb
        subject.planned = seen[site]
        lag = {"sync_delta": (0.0, NEW), "protect": (1.0, OLD)}.get(verb)
        if lag:
            proofs = tuple(proof.model_copy(update={"at": proof.at - timedelta(minutes=2)}) for proof in proofs)
            subject.lag(lag[0], site=lag[1])
        asked = subject.asked(site, mode=Mode.PLANNED, proofs=proofs)
        done: StepResult = await getattr(provider, verb)(asked)
        proofs += (done.proof,) if done.proof else ()
    reach = {site: (await provider.observe("db", site, "control")).reach for site in (OLD, NEW)}
    assert reach == {OLD: Reach.STANDBY, NEW: Reach.SERVING}
    assert await subject.state() == (subject.look(NEW)["DBInstanceArn"], None)


async def test_a_refusal_behind_the_first_effect_is_not_called_nothing(tmp_path: Path, world: World) -> None:
    """What is undone is what may stand: a fence that is half done must not count as none."""
    subject = Moved(tmp_path, world)
    subject.verb, subject.acts_at = "fence", OLD
    refusal = Rule(kind=Kind.ERROR, operation="RebootDBInstance", code="AccessDenied")
    async with subject.met_by(refusal):
        with pytest.raises(OutcomeUnknownError, match="groups were replaced"):
            await subject.do()
    subject.undo_verb = "unfence"
    assert (await subject.undo()).changed
    assert subject.behind(OLD) == [subject.provider().site(OLD).security_groups[0]]
