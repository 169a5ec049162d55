"""MAC commands of 1.0.4 (TS001-1.0.4 section 5): split a sequence; pack and unpack the device's side.

A command on the air is its identifier and a payload whose length the identifier and the direction
fix. `pack_…` returns identifier and payload; `unpack_…` takes the payload alone, as `split` gives it.
The network's side of each is in netcommands.py, which a device need not load.
"""

from .._compat import const
from ..errors import WireError
from .cflist import unpack_freq
from .fields import check, check_length, from_le

LINK_CHECK = const(0x02)
LINK_ADR = const(0x03)
DUTY_CYCLE = const(0x04)
RX_PARAM_SETUP = const(0x05)
DEV_STATUS = const(0x06)
NEW_CHANNEL = const(0x07)
RX_TIMING_SETUP = const(0x08)
TX_PARAM_SETUP = const(0x09)
DL_CHANNEL = const(0x0A)
DEVICE_TIME = const(0x0D)

# (identifier, payload length from the device, payload length from the network)
_LENGTHS = (
    (LINK_CHECK, 0, 2),
    (LINK_ADR, 1, 4),
    (DUTY_CYCLE, 0, 1),
    (RX_PARAM_SETUP, 1, 4),
    (DEV_STATUS, 2, 0),
    (NEW_CHANNEL, 1, 5),
    (RX_TIMING_SETUP, 0, 1),
    (TX_PARAM_SETUP, 0, 1),
    (DL_CHANNEL, 1, 4),
    (DEVICE_TIME, 0, 5),
)

# Bits of LinkADRAns.
POWER_ACK = const(0x04)
DATA_RATE_ACK = const(0x02)
CHANNEL_MASK_ACK = const(0x01)
# Bits of RXParamSetupAns.
RX1_OFFSET_ACK = const(0x04)
RX2_DATA_RATE_ACK = const(0x02)
RX2_CHANNEL_ACK = const(0x01)
# Bits of NewChannelAns and (first one: the uplink frequency exists) DlChannelAns.
RANGE_ACK = const(0x02)
FREQUENCY_ACK = const(0x01)

MASK_ALL_ON = const(6)  # ChMaskCntl of EU868
BATTERY_EXTERNAL = const(0)
BATTERY_UNKNOWN = const(255)


def payload_length(cid: int, uplink: bool) -> int | None:
    """Return the payload length of a command from this side, or None for an identifier we do not know."""
    for row in _LENGTHS:
        if row[0] == cid:
            return row[1] if uplink else row[2]
    return None


def split(data: bytes, uplink: bool) -> list[tuple[int, bytes]]:
    """Return [(cid, payload)] in order, up to the first unknown or cut command."""
    commands = []
    i = 0
    while i < len(data):
        length = payload_length(data[i], uplink)
        if length is None or i + 1 + length > len(data):
            break
        commands.append((data[i], bytes(data[i + 1 : i + 1 + length])))
        i += 1 + length
    return commands


def pack_link_check_req() -> bytes:
    """Ask how well we are heard."""
    return bytes([LINK_CHECK])


def unpack_link_check_ans(payload: bytes) -> tuple[int, int]:
    """Return (margin_db, gateways)."""
    check_length("link_check", payload, 2)
    return payload[0], payload[1]


def unpack_link_adr_req(payload: bytes) -> tuple[int, int, int, int, int]:
    """Return (dr, tx_power, mask, mask_control, nb_trans)."""
    check_length("link_adr", payload, 4)
    return payload[0] >> 4, payload[0] & 15, from_le(payload[1:3]), payload[3] >> 4 & 7, payload[3] & 15


def pack_link_adr_ans(bits: int) -> bytes:
    """Answer with POWER_ACK | DATA_RATE_ACK | CHANNEL_MASK_ACK."""
    return bytes([LINK_ADR, check("bits", bits, 7)])


def unpack_duty_cycle_req(payload: bytes) -> int:
    """Return max_duty_cycle."""
    check_length("duty_cycle", payload, 1)
    return payload[0] & 15


def pack_duty_cycle_ans() -> bytes:
    """Acknowledge DutyCycleReq."""
    return bytes([DUTY_CYCLE])


def unpack_rx_param_setup_req(payload: bytes) -> tuple[int, int, int]:
    """Return (rx1_dr_offset, rx2_dr, rx2_freq_hz)."""
    check_length("rx_param_setup", payload, 4)
    return payload[0] >> 4 & 7, payload[0] & 15, unpack_freq(payload, 1)


def pack_rx_param_setup_ans(bits: int) -> bytes:
    """Answer with RX1_OFFSET_ACK | RX2_DATA_RATE_ACK | RX2_CHANNEL_ACK."""
    return bytes([RX_PARAM_SETUP, check("bits", bits, 7)])


def pack_dev_status_ans(battery: int, margin_db: int) -> bytes:
    """Answer: battery 0 external, 1..254 level, 255 unknown; margin_db is the SNR of the request, -32..31."""
    if not -32 <= margin_db <= 31:
        raise WireError("margin_db", str(margin_db) + " is outside -32..31")
    return bytes([DEV_STATUS, check("battery", battery, 255), margin_db & 0x3F])


def unpack_new_channel_req(payload: bytes) -> tuple[int, int, int, int]:
    """Return (index, freq_hz, min_dr, max_dr)."""
    check_length("new_channel", payload, 5)
    return payload[0], unpack_freq(payload, 1), payload[4] & 15, payload[4] >> 4


def pack_new_channel_ans(bits: int) -> bytes:
    """Answer with RANGE_ACK | FREQUENCY_ACK."""
    return bytes([NEW_CHANNEL, check("bits", bits, 3)])


def unpack_rx_timing_setup_req(payload: bytes) -> int:
    """Return delay_s; 0 on the air means one second."""
    check_length("rx_timing_setup", payload, 1)
    return payload[0] & 15 or 1


def pack_rx_timing_setup_ans() -> bytes:
    """Acknowledge RXTimingSetupReq."""
    return bytes([RX_TIMING_SETUP])


def unpack_tx_param_setup_req(payload: bytes) -> tuple[bool, bool, int]:
    """Return (downlink_dwell, uplink_dwell, max_eirp)."""
    check_length("tx_param_setup", payload, 1)
    return bool(payload[0] & 0x20), bool(payload[0] & 0x10), payload[0] & 15


def pack_tx_param_setup_ans() -> bytes:
    """Acknowledge TxParamSetupReq (regions with a dwell time only)."""
    return bytes([TX_PARAM_SETUP])


def unpack_dl_channel_req(payload: bytes) -> tuple[int, int]:
    """Return (index, freq_hz)."""
    check_length("dl_channel", payload, 4)
    return payload[0], unpack_freq(payload, 1)


def pack_dl_channel_ans(bits: int) -> bytes:
    """Answer with RANGE_ACK (the uplink frequency exists) | FREQUENCY_ACK."""
    return bytes([DL_CHANNEL, check("bits", bits, 3)])


def pack_device_time_req() -> bytes:
    """Ask for the time at the end of this uplink."""
    return bytes([DEVICE_TIME])


def unpack_device_time_ans(payload: bytes) -> tuple[int, int]:
    """Return (gps_s, fraction_256)."""
    check_length("device_time", payload, 5)
    return from_le(payload[:4]), payload[4]
