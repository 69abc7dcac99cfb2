"""Files there and back: planned moves and the way home, trees equal each time."""

import random
from pathlib import Path

import pytest

from tests.provider.files_kit import Sites, change, fingerprint, other
from tests.provider.support import OLD
from workflows.model.observed import Reach


@pytest.fixture
def sites(tmp_path: Path) -> Sites:
    return Sites(tmp_path)


@pytest.mark.deep
async def test_ten_moves_there_and_back_leave_both_trees_equal(sites: Sites) -> None:
    dice = random.Random(4)
    serving = OLD
    await sites.synced()
    for epoch in range(5, 15):
        change(sites.tree(serving), dice)
        wanted = fingerprint(sites.tree(serving))
        assert (await sites.move(serving, epoch)).changed
        serving = other(serving)
        assert fingerprint(sites.tree(serving)) == wanted
        change(sites.tree(serving), dice, 5)
        await sites.follow(other(serving), epoch)
        assert fingerprint(sites.tree(other(serving))) == fingerprint(sites.tree(serving))
        checked = await sites.provider(serving).verify_consistency(sites.ask(serving, "verify", epoch, other(serving)))
        assert checked.consistency
        assert checked.consistency.equal
        assert (
            await sites.provider(serving).probe_write(serving),
            await sites.provider(other(serving)).probe_write(other(serving)),
        ) == (Reach.SERVING, Reach.STANDBY)
