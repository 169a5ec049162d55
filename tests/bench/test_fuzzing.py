"""Few inputs for each reader and listener, and what was found by many before; millions behind --nightly."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.ingest.chirpstack import uplinks
from gateway.model import Uplink
from tests.bench.gateway import fuzzing
from tests.bench.gateway.messages import APPLICATION, Messages, dev_eui

TOPIC = f"application/{APPLICATION}/device/{dev_eui(0):016x}/event/up"


def throw(inputs: int, seed: int) -> list[fuzzing.Target]:
    found = fuzzing.targets()
    for target in found:
        fuzzing.run(target, inputs, random.Random(seed))
        assert target.findings == [], target.name
    return found


def test_every_reader_stands_a_few_hundred_of_broken_messages() -> None:
    found = throw(300, seed=2)
    assert all(target.lines for target in found)
    assert sum(target.refused for target in found) > 1000
    assert sum(target.taken for target in found) > 300


def test_letters_that_are_none_in_what_is_not_needed_cost_no_reading() -> None:
    """The radio gateway's part of an uplink was not UTF-8: the values in it are good all the same."""
    packet = Messages(1, 1_795_000_000).packet(0)
    body = packet[packet.index(b'{"dedup') :].replace(b'"gatewayId":"0016', b'"gatewayId":"\xb1016')
    found = uplinks.decode_message(TOPIC, body, fuzzing.NOW_MS)
    assert isinstance(found, Uplink)
    assert found.payload == Messages(1, 1_795_000_000).payload(0)
    assert found.receptions == ()


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_every_reader_stands_millions() -> None:
    assert sum(target.inputs for target in throw(200_000, seed=3)) > 3_000_000


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_running_gateway_stands_fifty_thousand() -> None:
    found = asyncio.run(fuzzing.listen(50_000, random.Random(4), fuzzing.targets()))
    assert found["findings"] == []
