"""The kind `aws.secrets`, against the simulator."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.providers.aws.secrets import PROVIDER, SecretsProvider
from infra.awssim.faults import Kind, Rule
from tests.awssim.world import EAST, WEST, World
from tests.provider.aws.kit import worker
from tests.provider.support import NEW, OLD, request
from workflows.model.failure import Code, PermanentError, TemporaryError
from workflows.model.messages import StepRequest
from workflows.model.observed import Reach
from workflows.model.plan import Mode
from workflows.model.runbook import Component

KEYS = Component.model_validate({"role": "compute", "kind": "aws.secrets"})
CANARY = "canary-5f1c"


class Keys:
    """A secret with a replica in the west, and a parameter in both regions."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world = folder, world
        self.secret, self.parameter = f"shop/{world.name()}", f"/shop/{world.name()}"
        self.east, self.west = (world.client("secretsmanager", region) for region in (EAST, WEST))
        self.east.create_secret(Name=self.secret, SecretString=CANARY, AddReplicaRegions=[{"Region": WEST}])
        for region in (EAST, WEST):
            world.client("ssm", region).put_parameter(Name=self.parameter, Value=CANARY, Type="SecureString")

    def provider(self, **more: Any) -> SecretsProvider:
        sites = {OLD: {"region": EAST}, NEW: {"region": WEST}}
        names = {"secrets": [self.secret], "parameters": [self.parameter]}
        return SecretsProvider(PROVIDER.Settings.model_validate({"sites": sites, **names, **more}), worker(self.folder))

    def asked(self, mode: Mode = Mode.UNPLANNED) -> StepRequest:
        return request(NEW, "keys.start_instances", component=KEYS, mode=mode)


@pytest.fixture
def keys(tmp_path: Path, world: World) -> Keys:
    return Keys(tmp_path, world)


@pytest.mark.parametrize("mode", list(Mode))
async def test_what_is_there_may_be_used_and_nothing_is_changed_or_told_of_it(keys: Keys, mode: Mode) -> None:
    mark = keys.world.mark()
    result = await keys.provider().start_instances(keys.asked(mode))
    assert not result.changed
    assert CANARY not in result.model_dump_json()
    assert "1 secrets and 1 parameters" in result.detail
    assert not keys.world.sim.control.ledger(mark)
    assert (await keys.provider().observe("keys", NEW, "control")).reach is Reach.SERVING


async def test_what_is_missing_is_named(keys: Keys) -> None:
    provider = keys.provider(secrets=[keys.secret, "shop/nobody"], parameters=[keys.parameter, "/shop/nobody"])
    with pytest.raises(PermanentError, match="shop/nobody, /shop/nobody") as caught:
        await provider.start_instances(keys.asked())
    assert caught.value.code is Code.TARGET_UNFIT
    assert (await provider.observe("keys", NEW, "control")).reach is Reach.STANDBY


async def test_another_version_than_at_the_source_is_waited_for_in_a_planned_move(keys: Keys) -> None:
    late = f"{keys.secret}-late"
    for client in (keys.east, keys.west):
        client.create_secret(Name=late, SecretString=CANARY)
    provider = keys.provider(secrets=[late])
    with pytest.raises(TemporaryError) as caught:
        await provider.start_instances(keys.asked(Mode.PLANNED))
    assert caught.value.code is Code.NOT_PROTECTED
    await provider.start_instances(keys.asked())


async def test_an_unplanned_move_asks_nothing_of_the_lost_region(keys: Keys) -> None:
    keys.world.sim.control.set_faults([Rule(kind=Kind.REGION_GONE, region=EAST)])
    await keys.provider().start_instances(keys.asked())
    assert (await keys.provider().observe("keys", OLD, "control")).reach is Reach.SILENT


async def test_its_stop_is_nothing(keys: Keys) -> None:
    mark = keys.world.mark()
    assert not (await keys.provider().stop_instances(keys.asked())).changed
    assert not keys.world.sim.control.ledger(mark)


def test_settings_without_a_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="name `secrets` or `parameters`"):
        PROVIDER.Settings.model_validate({"sites": {}})
