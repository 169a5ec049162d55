"""What a station is told after its `version`: region, data rates, and how to set its concentrator.

The station refuses a configuration without hwspec or sx1301_conf (src/s2e.c, 2.0.6), which also serves
an SX1302. No NetID and JoinEui filter is sent: our own server knows its devices, and counts the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.errors import ConfigError
from wire.lorawan import eu868

REGION = "EU863"
_HALF_SPAN_HZ = 400_000  # a radio of the concentrator takes channels up to this far from its centre
_MAX_CHANNELS = 8
_FAST_HZ, _FSK_HZ = 868_300_000, 868_800_000


def router_config(extra_channels_hz: Sequence[int], net_time_s: float) -> dict[str, Any]:
    """Return the router_config of EU868 with these channels beside the three that every device knows."""
    return {
        "msgtype": "router_config",
        "NetID": None,
        "JoinEui": None,
        "region": REGION,
        "hwspec": "sx1301/1",
        "freq_range": [863_000_000, 870_000_000],
        "DRs": data_rates(),
        "sx1301_conf": [concentrator((*eu868.JOIN_CHANNELS_HZ, *extra_channels_hz))],
        "nocca": False,
        "nodc": False,
        "nodwell": False,
        "MuxTime": net_time_s,
    }


def data_rates() -> list[list[int]]:
    """Return DR0 to DR15 as [spreading factor, bandwidth in kHz, downlink only]; FSK has factor 0."""
    rows: list[list[int]] = []
    for dr in range(16):
        if dr <= 6:
            spreading_factor, bandwidth_khz = eu868.modulation(dr)
            rows.append([spreading_factor, bandwidth_khz, 0])
        else:
            rows.append([0, 0, 0] if dr == 7 else [-1, 0, 0])
    return rows


def concentrator(channels_hz: Sequence[int]) -> dict[str, Any]:
    """Return sx1301_conf: two radios, each channel as an offset from the centre of one of them."""
    wanted = sorted(set(channels_hz))
    if len(wanted) > _MAX_CHANNELS:
        raise ConfigError("lns.extra_channels_hz", f"a station has {_MAX_CHANNELS} channels: remove some")
    centres = _centres(wanted)
    found: dict[str, Any] = {
        f"radio_{radio}": {"enable": True, "freq": centre} for radio, centre in enumerate(centres)
    }
    for radio in range(len(centres), 2):
        found[f"radio_{radio}"] = {"enable": False, "freq": 0}
    for slot in range(_MAX_CHANNELS):
        if slot < len(wanted):
            found[f"chan_multiSF_{slot}"] = {"enable": True, **_place(wanted[slot], centres)}
        else:
            found[f"chan_multiSF_{slot}"] = {"enable": False}
    found["chan_Lora_std"] = _fixed(_FAST_HZ, centres, bandwidth=250_000, spread_factor=7)
    found["chan_FSK"] = _fixed(_FSK_HZ, centres, bandwidth=125_000, datarate=50_000)
    return found


def _centres(channels_hz: Sequence[int]) -> list[int]:
    """Cover all channels by at most two spans."""
    spans: list[list[int]] = []
    for channel in channels_hz:
        if spans and channel - spans[-1][0] <= 2 * _HALF_SPAN_HZ:
            spans[-1].append(channel)
        else:
            spans.append([channel])
    if len(spans) > 2:
        raise ConfigError(
            "lns.extra_channels_hz", "the channels lie too far apart for a station's two radios: move some"
        )
    return [_centre(span[0], span[-1]) for span in spans]


def _centre(low_hz: int, high_hz: int) -> int:
    """Return the middle; 868.5 MHz for the default channels, so that FSK at 868.8 MHz is in reach as well."""
    if low_hz >= 868_500_000 - _HALF_SPAN_HZ and high_hz <= 868_500_000 + _HALF_SPAN_HZ:
        return 868_500_000
    return (low_hz + high_hz) // 2


def _place(channel_hz: int, centres: Sequence[int]) -> dict[str, int]:
    radio = min(range(len(centres)), key=lambda index: abs(channel_hz - centres[index]))
    return {"radio": radio, "if": channel_hz - centres[radio]}


def _fixed(channel_hz: int, centres: Sequence[int], **modulation: int) -> dict[str, Any]:
    place = _place(channel_hz, centres)
    if abs(place["if"]) > _HALF_SPAN_HZ:
        return {"enable": False}
    return {"enable": True, **place, **modulation}
