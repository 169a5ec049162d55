from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.decode import decode
from gateway.errors import IngestError
from gateway.model import Uplink
from wire import ports, status
from wire.record import NO_ANSWER, TIME_DRIFTING, TIME_NETWORK, TIME_NEVER_SET, TIME_NTP, Record

from ..house import AIR, T0_MS, a_record, an_uplink


def test_raw_integers_become_values_in_the_tables_units() -> None:
    record = a_record(7, temperature=-4.25, pm2_5=12.3, battery=3650)
    (found,) = decode(an_uplink(record, received_at_ms=T0_MS + 900)).records
    values = {reading.quantity: (reading.value, reading.unit, reading.state) for reading in found.readings}
    assert values["temperature"] == (-4.25, "Cel", "ok")
    assert values["pm2_5"] == (12.3, "ug/m3", "ok")
    assert values["battery"] == (3650.0, "mV", "ok")
    assert (found.dev_eui, found.seq, found.received_at_ms) == (AIR, 7, T0_MS + 900)
    assert found.observed_at_ms == T0_MS // 1000 * 1000


def test_an_error_state_has_no_value() -> None:
    (found,) = decode(an_uplink(Record(1, T0_MS // 1000, TIME_NETWORK, [(5, 0, NO_ANSWER)]))).records
    assert [(r.value, r.state) for r in found.readings] == [(None, "no_answer")]


@pytest.mark.parametrize(
    ("quality", "name"), [(TIME_NETWORK, "network"), (TIME_NTP, "ntp"), (TIME_DRIFTING, "drifting")]
)
def test_a_clock_that_was_set_is_believed(quality: int, name: str) -> None:
    (found,) = decode(
        an_uplink(a_record(1, quality=quality, temperature=1.0), received_at_ms=T0_MS + 9e6)
    ).records
    assert (found.time_quality, found.observed_at_ms) == (name, T0_MS // 1000 * 1000)


def test_seconds_since_boot_count_back_from_reception() -> None:
    records = [
        a_record(n, boot_s * 1000, quality=TIME_NEVER_SET, temperature=1.0)
        for n, boot_s in enumerate((40, 100, 160))
    ]
    found = decode(an_uplink(*records, received_at_ms=T0_MS)).records
    assert [record.observed_at_ms - T0_MS for record in found] == [-120_000, -60_000, 0]
    assert {record.time_quality for record in found} == {"estimated"}


def test_a_time_that_the_node_could_bound_is_not_counted_back_from_reception() -> None:
    record = a_record(3, T0_MS, quality=TIME_NEVER_SET, temperature=1.0)
    (found,) = decode(an_uplink(record, received_at_ms=T0_MS + 172_800_000)).records
    assert (found.observed_at_ms, found.time_quality) == (T0_MS // 1000 * 1000, "estimated")


def test_a_status_is_read_by_name() -> None:
    sent = status.Status(
        (1, 2, 3), 3, 17, status.FLAG_BATTERY_LOW, b"\xca\xfe\xba\xbe", 3550, 86400, 4, 0, 2, 9, 1, 5, [0, 8]
    )
    contents = decode(Uplink("lorawan", AIR, ports.STATUS, status.encode_status(sent), T0_MS))
    assert contents.records == []
    assert contents.status is not None
    assert contents.status["firmware"] == "1.2.3"
    assert contents.status["reset_cause"] == "watchdog"
    assert contents.status["flags"] == "battery_low"
    assert contents.status["config_hash"] == "cafebabe"
    assert contents.status["battery_mv"] == 3550
    assert contents.status["last_failure"] == "broker_refused"
    assert contents.status["sensors"] == "ok no_answer"


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 255), st.binary(max_size=120) | st.binary(max_size=120).map(lambda b: b"\x01" + b))
def test_any_bytes_on_any_port_give_records_or_a_counted_cause(port: int, payload: bytes) -> None:
    with contextlib.suppress(IngestError):
        decode(Uplink("lorawan", AIR, port, payload, T0_MS))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_payload_never_raises_anything_else(data: st.DataObject) -> None:
    payload = bytearray(
        an_uplink(*[a_record(n, T0_MS + n * 60_000, temperature=n, pm10=n) for n in range(3)]).payload
    )
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(IngestError):
        decode(Uplink("lorawan", AIR, ports.RECORDS, bytes(payload), T0_MS))
