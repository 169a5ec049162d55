"""Confirmed downlinks until they are acknowledged, and receive parameters that change under a session.

The device is made of liblora; command bytes are those of TS001-1.0.4 section 5.
"""

from __future__ import annotations

import asyncio

import pytest

from gateway.lns import LnsSettings, SessionStore
from tests.gateway.lns.liblora_device import ACK
from tests.gateway.lns.street import Street, run


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lns.sqlite"


async def _restart(street: Street, settings: LnsSettings | None = None) -> None:
    await street.stop()
    street.settings = settings or street.settings
    await street.start()


async def _say(street, device, **more):
    street.hear(device.uplink(**more))
    return device.take((await street.downlink()).phy)


def test_a_confirmed_downlink_goes_out_until_it_is_acknowledged(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        await street.server.enqueue(device.dev_eui, 3, b"\x07", True)
        first = await _say(street, device)
        again = await _say(street, device)  # no ACK bit: it was not heard
        assert [(got.payload, got.confirmed) for got in (first, again)] == [(b"\x07", True)] * 2
        assert again.fcnt == first.fcnt + 1
        street.hear(device.uplink(flags=ACK))
        await street.silence()
        assert street.counters.get("lns.downlinks_acknowledged") == 1
        assert street.server.status()["queued_downlinks"] == 0

    run(path, play)


def test_after_the_last_attempt_it_is_given_up_and_the_next_one_goes(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        await street.server.enqueue(device.dev_eui, 3, b"\x07", True)
        await street.server.enqueue(device.dev_eui, 3, b"\x08")
        payloads = [(await _say(street, device)).payload for _ in range(3)]
        assert payloads == [b"\x07", b"\x07", b"\x08"]
        assert street.counters.get("lns.downlinks_given_up") == 1

    run(path, play, LnsSettings(confirmed_attempts=2))


def test_a_restart_neither_forgets_nor_repeats_an_acknowledged_downlink(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        await street.server.enqueue(device.dev_eui, 3, b"\x07", True)
        await _say(street, device)
        await asyncio.sleep(2)
        await _restart(street)
        street.hear(device.uplink(flags=ACK))
        await street.silence()
        assert street.counters.get("lns.downlinks_acknowledged") == 1
        await street.server.enqueue(device.dev_eui, 3, b"\x08", True)
        assert (await _say(street, device)).payload == b"\x08"
        await asyncio.sleep(2)
        await _restart(street)
        assert (await _say(street, device)).payload == b"\x08"

    run(path, play)


NEW = LnsSettings(rx1_delay_s=3, rx1_dr_offset=2, rx2_dr=3)
# RXParamSetupReq: offset 2, DR3, 869.525 MHz in steps of 100 Hz; RXTimingSetupReq: 3 s.
ORDER = bytes.fromhex("05 23 d2ad84 08 03")
ANSWER = bytes.fromhex("05 07 08")


def test_changed_receive_parameters_are_ordered_answered_and_then_used(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        await _restart(street, NEW)
        street.hear(device.uplink())
        order = await street.downlink()
        assert (order.delay_s, order.spreading_factor) == (1, 7)  # still by the old ones
        assert device.take(order.phy).raw_options == ORDER
        street.hear(device.uplink(options=ANSWER))
        end = await street.downlink()  # an answer is answered, or the device repeats it for ever
        assert (end.delay_s, end.spreading_factor) == (3, 9)  # RX1 at DR5 - 2
        assert device.take(end.phy).raw_options == b""
        street.hear(device.uplink())
        await street.silence()
        await _restart(street)
        street.hear(device.uplink(confirmed=True))
        assert (await street.downlink()).delay_s == 3

    run(path, play)


def test_an_order_that_was_not_heard_is_repeated_and_sticky_answers_bring_no_new_one(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        await _restart(street, NEW)
        for _ in range(2):
            assert (await _say(street, device)).raw_options == ORDER
        street.hear(device.uplink(options=ANSWER))
        device.take((await street.downlink()).phy)
        await _restart(street, LnsSettings())
        # The end of the first answer was not heard: the device still repeats it. No new order yet.
        assert (await _say(street, device, options=ANSWER)).raw_options == b""
        assert (await _say(street, device)).raw_options == bytes.fromhex("05 00 d2ad84 08 01")

    run(path, play)


def test_what_was_ordered_before_a_kill_is_known_after_it(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        await _restart(street, NEW)
        await _say(street, device)
        await _restart(street, LnsSettings())  # the settings go back before the answer is there
        street.hear(device.uplink(options=ANSWER))
        end = await street.downlink()
        assert end.delay_s == 3  # by what the device was told, not by what is set now
        device.take(end.phy)
        assert (await _say(street, device)).raw_options == bytes.fromhex("05 00 d2ad84 08 01")

    run(path, play)


def test_a_device_that_always_refuses_is_not_asked_for_ever(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        await _restart(street, LnsSettings(rx2_dr=3))
        for _ in range(3):
            street.hear(device.uplink())
            assert device.take((await street.downlink()).phy).raw_options[:1] == b"\x05"
            street.hear(device.uplink(options=b"\x05\x05"))  # data rate of RX2 refused
            await street.downlink()
        street.hear(device.uplink())
        await street.silence()
        assert street.counters.get("lns.rx_parameters_refused") == 3

    run(path, play)


def test_a_database_of_the_first_version_is_taken_over(path):
    import sqlite3

    from gateway.lns import store as module

    connection = sqlite3.connect(path)
    connection.executescript(module._SCHEMA + "PRAGMA user_version = 1;")
    connection.execute("INSERT INTO downlink VALUES (7, '70b3d57ed0050001', 3, x'01', 1)")
    row = ("70b3d57ed0050001", 1, 5, bytes(16), bytes(16), 1, 0, 0, 255, 1, 9, 4, 2)
    connection.execute(f"INSERT INTO session VALUES ({','.join('?' * len(row))})", row)
    connection.commit()
    connection.close()
    store = SessionStore(path)
    snapshot = store.load()
    assert (snapshot.sessions[0].fcnt_up, snapshot.sessions[0].rx_asked) == (9, 0)
    assert (snapshot.downlinks[0].id, snapshot.downlinks[0].attempts) == (7, 0)
    asyncio.run(store.close())


def test_time_on_air_is_on_the_disk_before_its_frame_leaves(path):
    """A kill right after a transmission must not forget it: the row is there for another connection."""
    import sqlite3

    rows: list[list[tuple]] = []

    async def play(street):
        transmit = street.gateways.transmit

        async def looking(downlink):
            with sqlite3.connect(path) as other:
                rows.append(list(other.execute("SELECT gateway_id, band, airtime_us FROM airtime")))
            other.close()
            return await transmit(downlink)

        street.gateways.transmit = looking
        device = street.device()
        await street.join(device)
        street.gateways.answers = ["TOO_LATE", None]  # RX1 is refused and given back, RX2 is taken
        street.hear(device.uplink(confirmed=True))
        await asyncio.sleep(2)
        assert street.server.airtime_us("aa555a0000000001").keys() == {"M", "P"}

    run(path, play)
    assert [[band for _, band, _ in seen] for seen in rows] == [[2], [2, 2], [2, 4]]
    # A JoinAccept with CFList at SF7: 33 bytes without CRC (Semtech's formula: 71.936 ms).
    assert rows[0][0] == ("aa555a0000000001", 2, 71_936)
