"""Whatever a network orders under a valid MIC, the device goes on: it sends, within the rules of EU868."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware.radio.server import Bench

# identifier and payload length from the network (TS001-1.0.4 section 5), and unknown ones
_LENGTHS = {2: 2, 3: 4, 4: 1, 5: 4, 6: 0, 7: 5, 8: 1, 9: 1, 10: 4, 13: 5}
_COMMAND = st.sampled_from(sorted(_LENGTHS)).flatmap(
    lambda cid: st.binary(min_size=_LENGTHS[cid], max_size=_LENGTHS[cid]).map(lambda p: bytes([cid]) + p)
)
_LIKELY_FREQ = st.sampled_from([867_100_000, 868_500_000, 869_525_000, 869_850_000, 0, 868_650_000])
_NEW_CHANNEL = st.tuples(st.integers(0, 17), _LIKELY_FREQ, st.integers(0, 255)).map(
    lambda t: bytes([7, t[0]]) + (t[1] // 100).to_bytes(3, "little") + bytes([t[2]])
)
_LINK_ADR = st.tuples(st.integers(0, 255), st.integers(0, 0xFFFF), st.integers(0, 0x7F)).map(
    lambda t: bytes([3, t[0]]) + t[1].to_bytes(2, "little") + bytes([t[2]])
)
_ORDERS = st.lists(_COMMAND | _NEW_CHANNEL | _LINK_ADR, max_size=12).map(b"".join) | st.binary(max_size=50)

EDGES_HZ = (  # EN 300 220-2 as tabled in the project's LoRaWAN reference, section 1
    (863_000_000, 868_600_000),
    (868_700_000, 869_200_000),
    (869_400_000, 869_650_000),
    (869_700_000, 870_000_000),
)


@given(st.lists(st.tuples(_ORDERS, st.booleans()), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_orders_leave_a_device_that_sends_lawfully(rounds: list[tuple[bytes, bool]]):
    bench = Bench(duty_cycle=False)
    mac = bench.mac
    mac.confirmed_tries = 1
    for orders, on_port_0 in rounds:
        s = mac.session
        for slot in s.channels.slots:  # the bench answers on the uplink's frequency
            if slot is not None:
                slot[3] = slot[0]
        bench.rx_delay_s, bench.rx2_dr = s.rx1_delay_s, s.rx2_dr
        if on_port_0:
            bench.answer_once(lambda orders=orders: bench.down(0, orders, **rx1(bench)))
        else:
            bench.answer_once(lambda orders=orders: bench.down(3, b"x", fopts=orders[:15], **rx1(bench)))
        before = len(bench.ups)
        result = mac.send(1, b"x")
        assert result.sent
        assert len(bench.ups) > before
        assert result.downlinks == ([] if on_port_0 else [(3, b"x")])
    bench.reply = lambda _up: []
    assert mac.send(1, bytes(max(mac.max_payload(), 0))).sent
    for up in bench.ups:
        assert any(low <= up.frame.freq_hz < high for low, high in EDGES_HZ)
        assert up.frame.power_dbm <= 14
        assert len(up.frame.payload) <= {12: 64, 11: 64, 10: 64, 9: 128}.get(up.frame.sf, 255)
    restarted = bench.make_mac()
    assert restarted.session.channels.slots == mac.session.channels.slots
    assert restarted.session.dr == mac.session.dr


def rx1(bench: Bench) -> dict[str, int]:
    """Return the data rate of RX1 of the uplink being answered."""
    uplink, offset = bench.ups[-1].frame, bench.mac.session.rx1_dr_offset
    if uplink.bw_khz == 250 and offset:  # DR6 less n is DR6-n, from SF7 at 125 kHz on
        return {"sf": 6 + offset, "bw_khz": 125}
    return {"sf": min(uplink.sf + offset, 12)}
