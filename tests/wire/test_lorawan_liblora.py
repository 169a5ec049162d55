"""Frames of ours read by PyPI `liblora` 0.0.3 and back; any bytes are a frame or a WireError."""

from __future__ import annotations

import loramsg
import pytest
import rtlib
from hypothesis import given
from hypothesis import strategies as st

from gateway.lns.aes import Ecb
from wire.errors import WireError
from wire.lorawan import frames, join, keys, maccommands

KEYS = st.binary(min_size=16, max_size=16)
EUIS = st.integers(0, 2**63 - 1).map(lambda n: n.to_bytes(8, "big"))  # liblora packs them signed
UPLINKS = (frames.UNCONFIRMED_UP, frames.CONFIRMED_UP)


def signed(value: int) -> int:
    return value - 2**32 if value >= 2**31 else value


@st.composite
def data_frames(draw):
    port = draw(st.none() | st.integers(0, 255))
    return {
        "mtype": draw(st.sampled_from([2, 3, 4, 5])),
        "dev_addr": draw(st.integers(0, 2**32 - 1)),
        "fcnt": draw(st.integers(0, 2**32 - 1)),
        "flags": draw(st.integers(0, 15)) << 4,
        "fopts": b"" if port == 0 else draw(st.binary(max_size=15)),
        "port": port,
        "payload": b"" if port is None else draw(st.binary(max_size=222)),
    }


@given(data_frames(), KEYS, KEYS)
def test_liblora_reads_our_data_frames(fields, nwk, app):
    phy = frames.build_data(Ecb(nwk), Ecb(app), **fields)
    assert loramsg.sanity_check_frame(phy) == fields["mtype"] << 5
    read = loramsg.unpack_dataframe(phy, fields["fcnt"], nwk, app)
    assert read["FCnt"] == fields["fcnt"] and read["DevAddr"] == signed(fields["dev_addr"])
    assert read["FCtrl"] == fields["flags"] | len(fields["fopts"])
    assert read["FOpts"] == fields["fopts"] and read["FRMPayload"] == fields["payload"]
    assert read["FPort"] == (-1 if fields["port"] is None else fields["port"])


@given(data_frames(), KEYS, KEYS)
def test_we_read_data_frames_of_liblora(fields, nwk, app):
    phy = loramsg.pack_dataframe(
        fields["mtype"] << 5,
        signed(fields["dev_addr"]),
        fields["flags"],
        fields["fcnt"],
        fields["fopts"],
        fields["port"],
        fields["payload"],
        nwk,
        app,
    )
    frame = frames.parse_data(phy)
    assert frames.mic_ok(Ecb(nwk), frame, fields["fcnt"])
    assert frames.decrypt(Ecb(nwk), Ecb(app), frame, fields["fcnt"]) == fields["payload"]
    assert (frame.dev_addr, frame.port, frame.fopts) == (fields["dev_addr"], fields["port"], fields["fopts"])
    assert frame.uplink is (fields["mtype"] in UPLINKS)


@given(KEYS, EUIS, EUIS, st.integers(0, 65535))
def test_join_requests_are_the_same_bytes(key, join_eui, dev_eui, dev_nonce):
    euis = [rtlib.Eui(int.from_bytes(eui, "big")) for eui in (join_eui, dev_eui)]
    theirs = loramsg.pack_jreq(key, *euis, dev_nonce)
    assert join.build_join_request(Ecb(key), join_eui, dev_eui, dev_nonce) == theirs


@given(
    KEYS,
    st.integers(0, 2**24 - 1),
    st.integers(0, 2**24 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 0x7F),
    st.integers(1, 15),
    st.just(b"") | st.binary(min_size=16, max_size=16),
    st.integers(0, 65535),
)
def test_join_accepts_are_the_same_bytes_and_keys(
    key, nonce, net_id, addr, settings, delay, cflist, dev_nonce
):
    theirs = loramsg.pack_jacc(key, nonce, net_id, signed(addr), settings, delay, cflist or None)
    accept = join.JoinAccept(nonce, net_id, addr, settings >> 4, settings & 15, delay, cflist)
    assert join.build_join_accept(Ecb(key), Ecb(key), accept) == theirs
    opened = join.open_join_accept(Ecb(key), theirs)
    assert (opened.join_nonce, opened.net_id, opened.dev_addr) == (nonce, net_id, addr)
    assert (opened.rx1_dr_offset << 4 | opened.rx2_dr, opened.rx_delay_s) == (settings, delay)
    assert opened.cflist == cflist
    derive = loramsg.crypto.derive
    pair = (derive(key, dev_nonce, nonce, net_id, 1), derive(key, dev_nonce, nonce, net_id, 2))
    assert keys.session_keys(Ecb(key), nonce, net_id, dev_nonce) == pair


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_a_wire_error(data):
    key = Ecb(bytes(16))
    for parse in (frames.parse_data, join.parse_join_request, lambda phy: join.open_join_accept(key, phy)):
        try:
            frame = parse(data)
        except WireError:
            continue
        if parse is frames.parse_data:
            assert loramsg.sanity_check_frame(bytes([data[0] & 0xE3]) + data[1:]) == data[0] & 0xE0
            assert frame.phy == data
    for uplink in (True, False):
        commands = maccommands.split(data, uplink)
        assert data.startswith(b"".join(bytes([cid]) + payload for cid, payload in commands))


def test_a_join_accept_of_another_key_is_refused():
    accept = join.build_join_accept(Ecb(bytes(16)), Ecb(bytes(16)), join.JoinAccept(1, 0, 2))
    with pytest.raises(WireError, match="AppKey"):
        join.open_join_accept(Ecb(b"\x01" * 16), accept)
