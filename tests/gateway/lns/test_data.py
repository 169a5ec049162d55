"""Data frames: a device made of liblora against our network server, in virtual time."""

from __future__ import annotations

import asyncio
import datetime
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import IngestError, RegistryError
from gateway.lns import LnsSettings
from tests.gateway.lns.liblora_device import ACK, ADR, ADR_ACK_REQ
from tests.gateway.lns.street import START_MS, run


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lns.sqlite"


def test_an_uplink_reaches_the_sink_once_with_every_reception(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        phy = device.uplink(b"hello", 3)
        for gateway_id, snr_db in (("a" * 16, 1.5), ("b" * 16, 7.25), ("a" * 16, 1.0)):
            street.hear(phy, gateway_id, snr_db=snr_db)
        await street.silence()
        (uplink,) = street.sink.uplinks
        assert (uplink.source, uplink.dev_eui, uplink.f_port, uplink.payload, uplink.f_cnt) == (
            "lns",
            device.dev_eui,
            3,
            b"hello",
            0,
        )
        assert [(r.gateway_id[0], r.snr_db, r.data_rate) for r in uplink.receptions] == [
            ("b", 7.25, "SF7BW125"),
            ("a", 1.5, "SF7BW125"),
        ]
        assert uplink.received_at_ms == START_MS + 1000

    run(path, play)


def test_an_ack_follows_only_what_is_durable_in_the_sink(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        street.sink.delay_s = 0.3
        street.hear(device.uplink(confirmed=True), frequency_hz=867_500_000, timestamp_us=77)
        downlink = await street.downlink()
        assert street.sink.uplinks
        assert (downlink.timestamp_us, downlink.frequency_hz) == (1_000_077, 867_500_000)
        got = device.take(downlink.phy)
        assert got.ack and got.port == -1 and not got.confirmed

    run(path, play)


def test_no_ack_while_the_sink_refuses_and_the_uplink_comes_later(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        street.sink.broken = True
        phy = device.uplink(b"keep", confirmed=True)
        street.hear(phy)
        await street.silence()
        await asyncio.sleep(3)
        street.hear(phy)  # the device tries again: not durable yet, so still no ACK
        await street.silence()
        street.sink.broken = False
        await asyncio.sleep(10)
        assert [u.payload for u in street.sink.uplinks] == [b"keep"]
        street.hear(phy)
        assert device.take((await street.downlink()).phy).ack

    street = run(path, play)
    assert street.counters.get("lns.sink_refused") >= 2
    assert street.counters.get("lns.duplicates") == 2


def test_a_confirmed_retry_is_acknowledged_again_but_not_delivered_again(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        phy = device.uplink(confirmed=True)
        street.hear(phy)
        first = device.take((await street.downlink()).phy)
        await asyncio.sleep(3)
        street.hear(phy)
        second = device.take((await street.downlink()).phy)
        assert first.ack and second.ack and second.fcnt == first.fcnt + 1
        assert len(street.sink.uplinks) == 1

    run(path, play)


def test_a_late_copy_of_the_same_transmission_is_not_answered(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        phy = device.uplink(confirmed=True)
        street.hear(phy)
        await asyncio.sleep(0.5)
        street.hear(phy, "b" * 16)
        await asyncio.sleep(2)
        assert len(street.gateways.sent) == 2  # the JoinAccept and one ACK

    assert run(path, play).counters.get("lns.duplicates") == 1


def test_nb_trans_copies_are_one_uplink(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        phy = device.uplink()
        for _ in range(3):
            street.hear(phy)
            await asyncio.sleep(3)
        assert len(street.sink.uplinks) == 1

    assert run(path, play).counters.get("lns.duplicates") == 2


def test_replays_are_refused_and_counted(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        old = device.uplink(confirmed=True)
        street.hear(old)
        await asyncio.sleep(3)
        street.hear(device.uplink())
        await asyncio.sleep(3)
        street.hear(old)
        await street.silence()
        assert len(street.sink.uplinks) == 2

    assert run(path, play).counters.get("lns.replay") == 1


def test_counters_continue_over_the_16_bit_edge_and_replays_below_it_are_known(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        for fcnt in (0, 60_000, 65_535, 65_536, 131_000, 131_080):
            street.hear(device.uplink(fcnt=fcnt))
            await asyncio.sleep(1)
        assert [u.f_cnt for u in street.sink.uplinks] == [0, 60_000, 65_535, 65_536, 131_000, 131_080]
        for fcnt in (131_079, 65_536 + 9):
            street.hear(device.uplink(fcnt=fcnt))
            await asyncio.sleep(1)
        assert len(street.sink.uplinks) == 6

    assert run(path, play).counters.get("lns.replay") == 2


def test_what_is_not_ours_is_counted_by_cause_and_changes_nothing(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        good = device.uplink()
        stranger = bytearray(good)
        stranger[1] ^= 0xFF
        forged = good[:-1] + bytes([good[-1] ^ 1])
        # a heard downlink of our own address, and one with port 0 together with FOpts
        down = b"\x60" + good[1:]
        mixed = bytes.fromhex("40") + good[1:5] + b"\x01" + good[6:8] + b"\x02\x00\x01\x02\x03\x04\x05"
        for phy in (stranger, forged, down, mixed, good[:11], b"\x41" + good[1:], b"\xe0hello", b"\x00"):
            street.hear(bytes(phy))
        await street.silence()
        assert not street.sink.uplinks
        street.hear(good)
        await asyncio.sleep(1)
        assert len(street.sink.uplinks) == 1

    counters = run(path, play).counters
    assert counters.get("lns.truncated") == 2
    for cause in (
        "unknown_dev_addr",
        "mic_mismatch",
        "not_uplink",
        "malformed",
        "major_version",
        "not_lorawan",
    ):
        assert counters.get(f"lns.{cause}") == 1, cause
    assert counters.get("lns.internal_error") == 0


def test_empty_frames_and_ports_outside_the_application_are_no_uplinks(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        for payload, port in ((None, None), (b"\x02", 0), (b"", 5), (b"test", 224), (b"x", 255)):
            street.hear(device.uplink(payload, port))
            await asyncio.sleep(1)
        assert not street.sink.uplinks

    counters = run(path, play).counters
    assert counters.get("lns.uplinks") == 5 and counters.get("lns.reserved_port") == 2


def test_device_time_is_the_end_of_the_uplink(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        await asyncio.sleep(0.5)
        street.hear(device.uplink(options=b"\x0d"))
        got = device.take((await street.downlink()).phy)
        cid, gps_s, fraction = struct.unpack("<BIB", got.raw_options)
        # 2025-07-14T00:00:01.5Z; lorawan.json gps_time: 2025-07-14T00:00:00Z is GPS 1436486418
        assert (cid, gps_s, fraction) == (0x0D, 1_436_486_419, 128)
        assert datetime.datetime(2025, 7, 14, tzinfo=datetime.UTC).timestamp() * 1000 == START_MS

    run(path, play)


def test_link_check_answers_margin_and_gateway_count(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        phy = device.uplink(options=b"\x02")
        street.hear(phy, "a" * 16, snr_db=-12.0, sf=12)
        street.hear(phy, "b" * 16, snr_db=-11.2, sf=12)
        got = device.take((await street.downlink()).phy)
        assert got.options == ["LinkCheckAns<Margin=8 GwCnt=2>"]  # -11.2 - (-20) = 8.8

    run(path, play)


def test_mac_commands_on_port_0_are_answered_too_and_at_most_15_bytes_go_back(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        street.hear(device.uplink(b"\x0d\x02\x02\x02\x02\x02\xff\x02", 0))
        got = device.take((await street.downlink()).phy)
        assert len(got.raw_options) == 15 and got.raw_options[0] == 0x0D
        assert got.raw_options[6::3] == b"\x02\x02\x02"

    run(path, play)


def test_adr_ack_req_gets_a_downlink(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        street.hear(device.uplink(flags=ADR | ADR_ACK_REQ))
        got = device.take((await street.downlink()).phy)
        assert not got.ack and got.port == -1

    run(path, play)


def test_adr_speeds_a_strong_link_up_and_stops_asking_who_refuses(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        asked = []

        async def talk(n: int, options: bytes = b"") -> None:
            for _ in range(n):
                before = len(street.gateways.sent)
                street.hear(device.uplink(flags=ADR, options=options), snr_db=1.0, sf=10)
                options = b""
                await asyncio.sleep(1)
                for downlink in street.gateways.sent[before:]:
                    asked.append(device.take(downlink.phy))

        await talk(19)
        assert not asked
        await talk(1)
        # margin: 1 - (-15) - 10 = 6 dB, two steps of 3 dB: DR2 -> DR4, power 0, eight channels
        assert asked.pop().options == ["LinkADRReq<TXPow=0 DR=4 ChMask=xFF NbTrans=1 ChMaskCntl=0>"]
        for _ in range(3):
            await talk(20, b"\x03\x05")
        assert len(asked) == 2
        await talk(40, b"\x03\x05")
        assert len(asked) == 2

    assert run(path, play).counters.get("lns.adr_refused") == 3


def test_adr_power_steps_follow_an_accepted_request(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        got = []
        for n in range(45):
            before = len(street.gateways.sent)
            street.hear(device.uplink(flags=ADR, options=b"\x03\x07" if n == 20 else b""), snr_db=9.0)
            await asyncio.sleep(1)
            got += [device.take(d.phy) for d in street.gateways.sent[before:]]
        # 9 - (-7.5) - 10 = 6.5 dB: two steps of power at DR5; then 6.5 dB again: two more
        assert [g.options for g in got] == [
            ["LinkADRReq<TXPow=2 DR=5 ChMask=xFF NbTrans=1 ChMaskCntl=0>"],
            ["LinkADRReq<TXPow=4 DR=5 ChMask=xFF NbTrans=1 ChMaskCntl=0>"],
        ]

    run(path, play)


def test_queued_downlinks_go_in_order_with_f_pending(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        first = await street.server.enqueue(device.dev_eui, 3, b"one")
        second = await street.server.enqueue(device.dev_eui, 4, b"two", confirmed=True)
        assert second > first
        street.hear(device.uplink())
        got = device.take((await street.downlink()).phy)
        assert (got.port, got.payload, got.pending, got.confirmed) == (3, b"one", True, False)
        street.hear(device.uplink())
        got = device.take((await street.downlink()).phy)
        assert (got.port, got.payload, got.pending, got.confirmed) == (4, b"two", False, True)
        street.hear(device.uplink(flags=ACK))
        await street.silence()

    street = run(path, play)
    assert street.counters.get("lns.downlinks_acknowledged") == 1
    assert street.server.status()["queued_downlinks"] == 0


def test_a_downlink_that_no_gateway_took_stays_queued_under_a_new_counter(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        await street.server.enqueue(device.dev_eui, 3, b"important")
        street.gateways.answers = ["TOO_LATE", "TX_FREQ"]
        street.hear(device.uplink())
        await asyncio.sleep(1)
        street.hear(device.uplink())
        got = device.take((await street.downlink()).phy)
        assert got.payload == b"important" and got.fcnt == 1

    assert run(path, play).counters.get("lns.downlink_refused") == 1


def test_a_long_downlink_uses_the_window_that_can_carry_it(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        await street.server.enqueue(device.dev_eui, 3, bytes(200))
        street.hear(device.uplink(), sf=12)
        await street.silence()
        street.hear(device.uplink(), sf=7)
        assert device.take((await street.downlink()).phy).payload == bytes(200)

    assert run(path, play).counters.get("lns.downlink_too_long") == 1


@pytest.mark.parametrize(
    ("dev_eui", "port", "payload", "words"),
    [
        ("0" * 16, 1, b"x", "not registered"),
        (None, 0, b"x", "f_port 0"),
        (None, 224, b"x", "f_port 224"),
        (None, 1, b"", "payload of 0"),
        (None, 1, bytes(243), "payload of 243"),
    ],
)
def test_impossible_downlinks_are_refused_with_a_reason(path, dev_eui, port, payload, words):
    async def play(street):
        device = street.device()
        with pytest.raises(RegistryError, match=words):
            await street.server.enqueue(dev_eui or device.dev_eui, port, payload)

    run(path, play)


def test_a_full_queue_says_so(path):
    async def play(street):
        device = street.device()
        for _ in range(2):
            await street.server.enqueue(device.dev_eui, 1, b"x")
        with pytest.raises(RegistryError, match="already wait"):
            await street.server.enqueue(device.dev_eui, 1, b"x")

    run(path, play, LnsSettings(queue_length=2))


def test_the_answer_goes_through_the_gateway_that_heard_best_or_the_next(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        sent = []
        for silent in (set(), {"b" * 16}):
            street.gateways.silent = silent
            phy = device.uplink(confirmed=True)
            street.hear(phy, "a" * 16, snr_db=2.0, timestamp_us=1)
            street.hear(phy, "b" * 16, snr_db=9.0, timestamp_us=2)
            downlink = await street.downlink()
            device.take(downlink.phy)
            sent.append((downlink.gateway_id[0], downlink.timestamp_us))
        assert sent == [("b", 1_000_002), ("a", 1_000_001)]

    run(path, play)


def test_the_gateways_duty_cycle_moves_answers_to_rx2_and_then_stops_them(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        for _ in range(140):
            before = len(street.gateways.sent)
            street.hear(device.uplink(confirmed=True), sf=12)
            await asyncio.sleep(5)
            if len(street.gateways.sent) > before:
                device.take(street.gateways.sent[-1].phy)
        by_frequency = {}
        for downlink in street.gateways.sent[1:]:
            by_frequency.setdefault(downlink.frequency_hz, []).append(downlink)
        # An ACK of 12 bytes at SF12 without CRC is 991,232 us (formula of region/eu868.json): 36 s of the
        # 1 % band hold 36 (one JoinAccept at SF7 is in there too), then the 10 % band of RX2 takes over.
        assert len(by_frequency[868_100_000]) == 36
        assert len(by_frequency[869_525_000]) == 140 - 36

    run(path, play)


def test_an_old_session_lives_until_the_new_one_is_used(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        street.hear(device.uplink(b"one"))
        await asyncio.sleep(1)
        street.hear(device.join_request())
        unheard = await street.downlink()  # this JoinAccept gets lost
        street.hear(device.uplink(b"two"))
        await asyncio.sleep(1)
        assert [u.payload for u in street.sink.uplinks] == [b"one", b"two"]
        device.take_accept(unheard.phy)  # or it was only late
        street.hear(device.uplink(b"three"))
        await asyncio.sleep(1)
        assert [u.payload for u in street.sink.uplinks] == [b"one", b"two", b"three"]
        assert street.server.status()["sessions"] == 1

    run(path, play)


def test_an_uplink_that_can_never_be_stored_is_counted_and_dropped(path):
    async def play(street):
        device = street.device()
        await street.join(device)

        async def refuse(uplink):
            raise IngestError("store.uplink_invalid", "no")

        accept, street.sink.accept = street.sink.accept, refuse
        street.hear(device.uplink(b"never", confirmed=True))
        await street.silence()
        street.sink.accept = accept
        street.hear(device.uplink(b"next", confirmed=True))
        assert device.take((await street.downlink()).phy).ack
        assert [u.payload for u in street.sink.uplinks] == [b"next"]
        assert street.server.status()["undelivered"] == 0

    counters = run(path, play).counters
    assert counters.get("store.uplink_invalid") == 1 and counters.get("lns.internal_error") == 0


def test_a_device_that_was_removed_is_no_longer_heard(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        keys = street.keys.devices.pop(device.dev_eui)
        street.hear(device.uplink(confirmed=True))
        await street.silence()
        assert not street.sink.uplinks
        street.keys.devices[device.dev_eui] = keys  # registered again: its session goes on
        street.hear(device.uplink(confirmed=True))
        assert device.take((await street.downlink()).phy).ack

    assert run(path, play).counters.get("lns.device_removed") == 1


def test_a_device_that_slowed_down_by_itself_is_known_to_be_at_full_power(path):
    async def play(street):
        device = street.device()
        await street.join(device)
        asked = []
        for n in range(62):
            before = len(street.gateways.sent)
            options = b"\x03\x07" if n == 20 else b""
            slow = n > 30
            street.hear(
                device.uplink(flags=ADR, options=options), snr_db=-3.0 if slow else 9.0, sf=9 if slow else 7
            )
            await asyncio.sleep(1)
            asked += [device.take(d.phy).options for d in street.gateways.sent[before:]]
        # At SF9 there is no margin: -3 - (-12.5) - 10 < 0. Had the server still believed in power
        # index 2, it would now raise the power; it knows that the device did so itself.
        assert asked == [["LinkADRReq<TXPow=2 DR=5 ChMask=xFF NbTrans=1 ChMaskCntl=0>"]]

    run(path, play)


@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_and_any_damage_leave_the_server_working(tmp_path_factory, data):
    async def play(street):
        device = street.device()
        await street.join(device)
        good = [device.uplink(bytes(range(n)), confirmed=n % 2 == 0) for n in range(1, 4)]
        for _ in range(data.draw(st.integers(0, 12))):
            phy = data.draw(st.binary(max_size=60) | st.sampled_from(good))
            if phy and data.draw(st.booleans()):
                at = data.draw(st.integers(0, len(phy) - 1))
                phy = phy[:at] + bytes([data.draw(st.integers(0, 255))]) + phy[at + 1 :]
            if data.draw(st.booleans()):
                phy = phy[: data.draw(st.integers(0, len(phy)))]
            street.hear(
                phy,
                sf=data.draw(st.sampled_from([5, 7, 12])),
                frequency_hz=data.draw(st.sampled_from([868_100_000, 433_000_000])),
                snr_db=data.draw(st.none() | st.floats(-30, 30)),
            )
            await asyncio.sleep(0.3)
        await asyncio.sleep(5)  # until the gateway has sent what the good ones were answered
        street.hear(device.uplink(b"still here", confirmed=True))
        assert (await street.downlink()).frequency_hz == 868_100_000
        assert street.sink.uplinks[-1].payload == b"still here"
        assert {u.payload for u in street.sink.uplinks} <= {b"\0", b"\0\1", b"\0\1\2", b"still here"}

    counters = run(tmp_path_factory.mktemp("fuzz") / "lns.sqlite", play).counters
    assert counters.get("lns.internal_error") == 0
