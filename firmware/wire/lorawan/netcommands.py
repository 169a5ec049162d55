"""The network's side of the MAC commands of 1.0.4: see maccommands.py."""

from .cflist import pack_freq
from .fields import check, check_length, uint_le
from .maccommands import (
    DEV_STATUS,
    DEVICE_TIME,
    DL_CHANNEL,
    DUTY_CYCLE,
    LINK_ADR,
    LINK_CHECK,
    NEW_CHANNEL,
    RX_PARAM_SETUP,
    RX_TIMING_SETUP,
    TX_PARAM_SETUP,
)


def pack_link_check_ans(margin_db: int, gateways: int) -> bytes:
    """Answer with the margin above the demodulation floor (0..254) and the number of gateways."""
    return bytes([LINK_CHECK, check("margin_db", margin_db, 254), check("gateways", gateways, 255)])


def pack_link_adr_req(dr: int, tx_power: int, mask: int, mask_control: int = 0, nb_trans: int = 1) -> bytes:
    """Set data rate, power (15: keep either), channel mask and number of transmissions (0..15)."""
    first = check("dr", dr, 15) << 4 | check("tx_power", tx_power, 15)
    redundancy = check("mask_control", mask_control, 7) << 4 | check("nb_trans", nb_trans, 15)
    return bytes([LINK_ADR, first]) + uint_le(check("mask", mask, 0xFFFF), 2) + bytes([redundancy])


def pack_duty_cycle_req(max_duty_cycle: int) -> bytes:
    """Limit the device to 1/2**max_duty_cycle of the time over all bands (0..15)."""
    return bytes([DUTY_CYCLE, check("max_duty_cycle", max_duty_cycle, 15)])


def pack_rx_param_setup_req(rx1_dr_offset: int, rx2_dr: int, rx2_freq_hz: int) -> bytes:
    """Set the offset of RX1, data rate and frequency of RX2."""
    settings = check("rx1_dr_offset", rx1_dr_offset, 7) << 4 | check("rx2_dr", rx2_dr, 15)
    return bytes([RX_PARAM_SETUP, settings]) + pack_freq(rx2_freq_hz)


def pack_dev_status_req() -> bytes:
    """Ask for battery and margin."""
    return bytes([DEV_STATUS])


def unpack_dev_status_ans(payload: bytes) -> tuple[int, int]:
    """Return (battery, margin_db)."""
    check_length("dev_status", payload, 2)
    margin = payload[1] & 0x3F
    return payload[0], margin - 64 if margin > 31 else margin


def pack_new_channel_req(index: int, freq_hz: int, min_dr: int, max_dr: int) -> bytes:
    """Define a channel; freq_hz 0 removes it."""
    dr_range = check("max_dr", max_dr, 15) << 4 | check("min_dr", min_dr, 15)
    return bytes([NEW_CHANNEL, check("index", index, 255)]) + pack_freq(freq_hz) + bytes([dr_range])


def pack_rx_timing_setup_req(delay_s: int) -> bytes:
    """Set the delay of RX1, 1..15 s; RX2 follows one second later."""
    return bytes([RX_TIMING_SETUP, check("delay_s", delay_s, 15)])


def pack_tx_param_setup_req(downlink_dwell: bool, uplink_dwell: bool, max_eirp: int) -> bytes:
    """Set dwell times (bools) and the coded EIRP 0..15; EU868 devices give no answer."""
    bits = (0x20 if downlink_dwell else 0) | (0x10 if uplink_dwell else 0) | check("max_eirp", max_eirp, 15)
    return bytes([TX_PARAM_SETUP, bits])


def pack_dl_channel_req(index: int, freq_hz: int) -> bytes:
    """Move RX1 of a channel to another frequency."""
    return bytes([DL_CHANNEL, check("index", index, 255)]) + pack_freq(freq_hz)


def pack_device_time_ans(gps_s: int, fraction_256: int) -> bytes:
    """Answer with GPS seconds (modulo 2**32) and 1/256 s at the end of the uplink."""
    return (
        bytes([DEVICE_TIME]) + uint_le(gps_s & 0xFFFFFFFF, 4) + bytes([check("fraction", fraction_256, 255)])
    )


def unpack_bits(payload: bytes) -> int:
    """Return the answer bits of LinkADRAns, RXParamSetupAns, NewChannelAns and DlChannelAns."""
    check_length("answer", payload, 1)
    return payload[0]
