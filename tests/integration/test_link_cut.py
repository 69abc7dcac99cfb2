"""A cable to a dead site can be cut: whoever asks for it holds the lab's lock, and must not wait for ever."""

import asyncio

import pytest

from infra.lab import link
from infra.lab.layout import LOOPBACK, Ports


@pytest.mark.parametrize("turns", range(10))
async def test_a_link_whose_target_is_dead_is_cut_whatever_it_is_doing(turns: int) -> None:
    """`turns` of the event loop are how far its look for the target has come when the cut arrives."""
    ports = Ports()
    proxy = link.Proxy("management:primary", (LOOPBACK, ports.take(LOOPBACK)), (LOOPBACK, ports.take(LOOPBACK)))
    proxy.start()
    for _ in range(turns):
        await asyncio.sleep(0)
    cutting = asyncio.create_task(proxy.cut())
    done, _ = await asyncio.wait([cutting], timeout=1.0)
    cutting.cancel()
    proxy._unlisten()
    for held in (proxy._holder, *proxy._fillers):
        held.close()
    assert done
