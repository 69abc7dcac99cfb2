"""Keys that a KMS has sealed, against the simulator."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities import keys
from activities.people.register import KEY_VARIABLE, Register, new_key
from tests.awssim.world import EAST, WEST, World
from workers import codec
from workflows.model.failure import Code, PermanentError


@pytest.fixture
def arn(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A key of the west. The simulator's keys of several regions decrypt nothing."""
    made: str = world.client("kms", WEST).create_key()["KeyMetadata"]["Arn"]
    monkeypatch.setenv(keys.KMS_VARIABLE, made)
    keys._opened.cache_clear()
    yield made
    keys._opened.cache_clear()


def test_a_sealed_key_of_the_codec_opens_and_encrypts(arn: str) -> None:
    entry = codec.new_key("k2026", by_kms=True)
    assert entry.startswith("k2026:kms:")
    ring = codec.ring({codec.KEYS_VARIABLE: f"{entry},{codec.new_key('k2025')}"})
    assert [len(key) for key in ring.values()] == [32, 32]
    assert keys.write(ring["k2026"]) not in entry


def test_it_opens_in_the_other_region_when_the_first_does_not_answer(arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = codec.new_key("k2026", by_kms=True)
    monkeypatch.setenv(keys.KMS_VARIABLE, f"{arn.replace(WEST, EAST)}, {arn}")
    assert codec.ring({codec.KEYS_VARIABLE: entry})


def test_it_is_asked_once(arn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {codec.KEYS_VARIABLE: codec.new_key("k2026", by_kms=True)}
    first = codec.ring(environment)
    monkeypatch.setenv(keys.KMS_VARIABLE, "")
    assert codec.ring(environment) == first


def test_a_key_that_was_sealed_for_something_else_does_not_open(arn: str) -> None:
    sealed = codec.new_key("k2026", by_kms=True).partition(":")[2]
    for name, purpose in (
        (codec.KEYS_VARIABLE, f"other:{sealed}"),
        (codec.KEYS_VARIABLE, f"k2026:{sealed[:-8]}AAAAAAA="),
    ):
        with pytest.raises(PermanentError) as found:
            codec.ring({name: purpose})
        assert found.value.code is Code.CONFIGURATION
        assert sealed not in str(found.value)


@pytest.mark.parametrize(("named", "told"), [("", "does not say by which"), ("shop-key", "no ARN of a KMS key")])
def test_a_kms_that_is_not_named_as_it_must_be_is_told(
    arn: str, monkeypatch: pytest.MonkeyPatch, named: str, told: str
) -> None:
    entry = codec.new_key("k2026", by_kms=True)
    monkeypatch.setenv(keys.KMS_VARIABLE, named)
    with pytest.raises(PermanentError, match=told):
        codec.ring({codec.KEYS_VARIABLE: entry})


def test_the_register_of_approvers_opens_with_a_sealed_key(arn: str, tmp_path: Path) -> None:
    environment = {KEY_VARIABLE: new_key(by_kms=True)}
    file = tmp_path / "people.json"
    Register(file, environment).enrol("anna", "JBSWY3DPEHPK3PXP")
    assert Register(file, environment).otp_secret("anna") == "JBSWY3DPEHPK3PXP"
    assert "JBSWY3DPEHPK3PXP" not in json.dumps(file.read_text())
