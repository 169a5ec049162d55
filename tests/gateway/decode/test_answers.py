"""What nodes answer to configuration commands. Bytes by hand from the layout at the top of wire.commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.ports import decode
from gateway.errors import IngestError
from gateway.model import Uplink
from gateway.registry import Registry
from gateway.registry.answers import KEPT
from gateway.registry.model import NodeAnswer

from ..house import AIR, T0_MS, a_house

VALUES = bytes.fromhex("02 07 deadbeef 01 0000012c 08 ffffff9c")  # interval_s 300, noise_offset_centidb -100
REVERTED = bytes.fromhex("04 09 02 00 01020304")
OUT_OF_RANGE = bytes.fromhex("04 0a 04 01 01020304")


def command(payload: bytes, at_ms: int = T0_MS) -> Uplink:
    return Uplink("lns", AIR, 3, payload, at_ms)


def test_values_are_told_by_name() -> None:
    assert decode(command(VALUES)).answer == NodeAnswer(
        AIR, T0_MS, 7, "values", "", "deadbeef", {"interval_s": 300, "noise_offset_centidb": -100}
    )


def test_a_result_names_its_outcome_and_the_key_at_fault() -> None:
    assert decode(command(REVERTED)).answer == NodeAnswer(AIR, T0_MS, 9, "reverted", "", "01020304")
    assert decode(command(OUT_OF_RANGE)).answer == NodeAnswer(
        AIR, T0_MS, 10, "out_of_range", "interval_s", "01020304"
    )


def test_a_key_of_a_newer_node_is_told_by_its_number() -> None:
    answer = decode(command(bytes.fromhex("02 07 deadbeef c8 00000005"))).answer
    assert answer is not None
    assert answer.values == {"key_200": 5}


@pytest.mark.parametrize("payload", [VALUES[:-1], b"\x02", REVERTED[:-1], bytes.fromhex("0409630001020304")])
def test_a_broken_answer_is_told_as_such(payload: bytes) -> None:
    with pytest.raises(IngestError) as error:
        decode(command(payload))
    assert error.value.cause == "decode.command_malformed"


@given(st.sampled_from((2, 4)), st.binary(max_size=60))
def test_whatever_arrives_is_an_answer_or_refused(first: int, rest: bytes) -> None:
    try:
        assert decode(command(bytes((first,)) + rest)).answer is not None
    except IngestError as error:
        assert error.cause == "decode.command_malformed"


async def test_answers_are_counted_and_kept_and_are_no_dead_letters(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        for n, payload in enumerate((VALUES, REVERTED)):
            await house.log.accept(command(payload, T0_MS + n))
        await house.pipeline.drained()
        assert house.counters.snapshot()["pipeline.config_answers"]["count"] == 2
        assert house.store.dead_letters(10) == []
        assert [answer.outcome for answer in house.registry.node_answers(AIR)] == ["values", "reverted"]
        assert house.registry.node_config(AIR) == {
            "hash": "01020304", "at_ms": T0_MS + 1, "outcome": "reverted", "key": "",
            "values": {
                "interval_s": {"value": 300, "at_ms": T0_MS, "current": False},
                "noise_offset_centidb": {"value": -100, "at_ms": T0_MS, "current": False},
            },
        }  # fmt: skip


def test_what_comes_again_or_late_changes_nothing_and_the_list_stays_short(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert registry.node_config(AIR) is None
    newest = NodeAnswer(AIR, T0_MS, 1, "values", "", "aaaaaaaa", {"interval_s": 60})
    registry.put_node_answer(newest)
    registry.put_node_answer(replace(newest, at_ms=T0_MS - 1, token=2, values={"interval_s": 900}))
    registry.put_node_answer(newest)
    assert [answer.token for answer in registry.node_answers(AIR)] == [2, 1]
    found = registry.node_config(AIR)
    assert found is not None
    assert found["values"] == {"interval_s": {"value": 60, "at_ms": T0_MS, "current": True}}
    for n in range(1, 41):
        registry.put_node_answer(NodeAnswer(AIR, T0_MS + n, n, "kept", "", "bbbbbbbb"))
    assert [answer.at_ms for answer in registry.node_answers(AIR)] == [
        T0_MS + n for n in range(41 - KEPT, 41)
    ]
    registry.close()
