"""What leaves the process encrypted, and what happens to it on the way back."""

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from workers.codec import ENCODING, KEY_ID, KEYS_VARIABLE, Encryption, new_key, ring
from workers.converter import DATA_CONVERTER, converter
from workflows.model.failure import Code, PermanentError
from workflows.model.requests import FailoverRequest

CANARY = "canary-9f3b"


def keys(*names: str) -> dict[str, bytes]:
    return ring({KEYS_VARIABLE: ",".join(map(new_key, names))})


async def test_nothing_readable_leaves_and_the_same_comes_back() -> None:
    made = converter(keys("k1"))
    request = FailoverRequest(runbook="shop", reason=CANARY)
    sent = await made.encode([request, b"\x00raw", None])
    assert all(one.metadata["encoding"] == ENCODING for one in sent)
    assert CANARY.encode() not in b"".join(one.SerializeToString() for one in sent)
    assert await made.decode(sent, [FailoverRequest, bytes, type(None)]) == [request, b"\x00raw", None]


async def test_the_words_of_a_failure_are_encrypted_too() -> None:
    made = converter(keys("k1"))
    failure = Failure()
    await made.encode_failure(ApplicationError(f"the DSN is {CANARY}", CANARY, type="Broken"), failure)
    assert CANARY.encode() not in failure.SerializeToString()
    back = await made.decode_failure(failure)
    assert isinstance(back, ApplicationError)
    assert (back.message, back.details, back.type) == (f"the DSN is {CANARY}", (CANARY,), "Broken")


async def test_what_never_was_encrypted_is_read_as_it_is() -> None:
    plain = await DATA_CONVERTER.encode(["typed into the Web UI"])
    assert await converter(keys("k1")).decode(plain) == ["typed into the Web UI"]


async def test_a_key_is_rotated_without_losing_what_it_encrypted() -> None:
    old, new = keys("k1"), keys("k2")
    before = await converter(old).encode(["before"])
    both = converter(new | old)
    after = await both.encode(["after"])
    assert after[0].metadata[KEY_ID] == b"k2"
    assert await both.decode([*before, *after]) == ["before", "after"]
    with pytest.raises(PermanentError, match="'k1', which this process does not have"):
        await converter(new).decode(before)


async def test_no_changed_byte_opens() -> None:
    codec = Encryption(keys("k1"))
    (sent,) = await codec.encode([Payload(metadata={"encoding": b"json/plain"}, data=b'"x"')])
    for at in range(len(sent.data)):
        data = bytearray(sent.data)
        data[at] ^= 1
        changed = Payload(metadata=sent.metadata, data=bytes(data))
        with pytest.raises(PermanentError, match="does not open"):
            await codec.decode([changed])


async def test_a_large_payload_is_encrypted_as_well() -> None:
    made = converter(keys("k1"))
    large = "x" * 300_000
    assert await made.decode(await made.encode([large])) == [large]


@pytest.mark.parametrize("text", ["k1", "k1:short", ":AAAA", "k 1:AAAA"])
def test_a_bad_ring_is_refused_without_its_value(text: str) -> None:
    with pytest.raises(PermanentError, match="Entry 1") as found:
        ring({KEYS_VARIABLE: text})
    assert found.value.code is Code.CONFIGURATION
    assert "short" not in str(found.value)


def test_an_id_stands_once_and_a_file_holds_the_ring_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    one = new_key("k1")
    with pytest.raises(PermanentError, match="Entry 2"):
        ring({KEYS_VARIABLE: f"{one},{one}"})
    file = tmp_path_factory.mktemp("keys") / "ring"
    file.write_text(f"{one}\n{new_key('k2')}\n", encoding="utf-8")
    assert list(ring({KEYS_VARIABLE: f"@{file}"})) == ["k1", "k2"]
    with pytest.raises(PermanentError, match="cannot be read"):
        ring({KEYS_VARIABLE: f"@{file}.gone"})
    assert ring({}) == {}
