"""FPort COMMANDS: vectors by hand from the layout in wire/commands.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import config
from tests.dual import run_on_both
from wire import backfill, commands
from wire.errors import WireError

HASH = bytes.fromhex("c0ffee01")

# name: (bytes, what they say)
GET = ("01 2a 01 08", (0x2A, [1, 8]))
VALUES = ("02 2a c0ffee01 01 0000012c 08 ffffff9c", (0x2A, HASH, [(1, 300), (8, -100)]))
SET = ("03 2b 1e 01 00000384 08 fffff830", (0x2B, 30, [(1, 900), (8, -2000)]))
RESULT = ("04 2b 04 01 c0ffee01", (0x2B, 4, 1, HASH))


def test_get_by_hand() -> None:
    assert commands.unpack_get(bytes.fromhex(GET[0])) == GET[1]
    assert commands.pack_get(0x2A, ["interval_s", "noise_offset_centidb"]) == bytes.fromhex(GET[0])


def test_values_by_hand() -> None:
    assert commands.unpack_values(bytes.fromhex(VALUES[0])) == VALUES[1]
    assert commands.pack_values(*VALUES[1]) == bytes.fromhex(VALUES[0])


def test_set_by_hand() -> None:
    assert commands.unpack_set(bytes.fromhex(SET[0])) == SET[1]
    wanted = [("interval_s", 900), ("noise_offset_centidb", -2000)]
    assert commands.pack_set(0x2B, 30, wanted) == bytes.fromhex(SET[0])


def test_result_by_hand() -> None:
    assert commands.unpack_result(bytes.fromhex(RESULT[0])) == RESULT[1]
    assert commands.pack_result(*RESULT[1]) == bytes.fromhex(RESULT[0])


@pytest.mark.mpy
def test_both_pythons_read_and_write_the_bytes_derived_by_hand() -> None:
    names = {"get": GET, "values": VALUES, "set": SET, "result": RESULT}
    payloads = [[name, row[0]] for name, row in names.items()]
    read, packed = run_on_both("commands", {"payloads": [*payloads, ["set", "03 2b 00 01 00000384"]]})
    assert read[0] == [0x2A, [1, 8]]
    assert read[1] == [0x2A, "c0ffee01", [[1, 300], [8, -100]]]
    assert read[2] == [0x2B, 30, [[1, 900], [8, -2000]]]
    assert read[3] == [0x2B, 4, 1, "c0ffee01"]
    assert read[4].startswith("length")
    assert packed == [row[0].replace(" ", "") for row in names.values()]


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: commands.pack_set(0, 1, [("interval_s", 9)]), "interval_s"),
        (lambda: commands.pack_set(0, 1, [("interval_s", 86401)]), "interval_s"),
        (lambda: commands.pack_set(0, 1, [("app_key", 1)]), "app_key"),
        (lambda: commands.pack_set(0, 0, [("interval_s", 60)]), "trial_min"),
        (lambda: commands.pack_set(0, 1, []), "keys"),
        (lambda: commands.pack_get(256, ["interval_s"]), "token"),
        (lambda: commands.pack_get(0, ["wifi.password"]), "wifi.password"),
        (lambda: commands.pack_get(0, []), "keys"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(make, field: str) -> None:
    with pytest.raises(WireError) as caught:
        make()
    assert caught.value.field == field


def test_the_ranges_are_those_of_the_node_and_no_key_reaches_the_network_or_a_secret() -> None:
    rows = {row[0]: row for row in config.KEYS}
    for _number, name, low, high in commands.KEYS:
        assert rows[name][1] == "int"
        assert (rows[name][3], rows[name][4]) == (low, high)
    assert len({row[0] for row in commands.KEYS}) == len(commands.KEYS)


def test_everything_fits_beside_full_fopts_at_the_slowest_data_rate_or_is_split_by_the_asker() -> None:
    most = commands.KEYS[-commands.MAX_GET :]
    assert len(commands.pack_values(0, HASH, [(row[0], row[3]) for row in most])) == 51
    assert (
        len(commands.pack_set(0, 1, [(row[1], row[3]) for row in commands.KEYS[-commands.MAX_SET :]])) <= 51
    )


def test_first_bytes_do_not_collide_with_back_fill() -> None:
    ours = {commands.GET, commands.VALUES, commands.SET, commands.RESULT}
    assert not ours & {backfill.SEND_RECORDS, backfill.RECORDS_GONE}


@given(st.binary(max_size=60))
def test_any_bytes_are_a_command_or_a_wire_error(data: bytes) -> None:
    for unpack, pack in (
        (commands.unpack_values, commands.pack_values),
        (commands.unpack_result, commands.pack_result),
        (commands.unpack_get, None),
        (commands.unpack_set, None),
    ):
        try:
            fields = unpack(data)
        except WireError:
            continue
        if pack is not None:
            assert pack(*fields) == data
