"""When a site is good: each rule with its source. Pure functions, no clock, no store.

Signal margins: Semtech's demodulation floors (SX1276 datasheet table 13, AN1200.22), the classes as The
Things Stack's ADR margin of 15 dB suggests. Tilt: FloodNet's mounting manual asks for the spirit level twice;
an ultrasonic sensor errs by h(1/cos(tilt) - 1). Neighbours: the buddy check of MetObs (made for VLINDER in
Ghent): at least 4 within 10 km, z above 3.1, a deviation of at least 1.0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from statistics import median

from gateway.commissioning.model import AMBER, GREEN, RED, WAITING, Check, Neighbour, Position
from gateway.model import Uplink

SNR_FLOOR_DB = {7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}
UPLINKS_NEEDED = 3
GREEN_MARGIN_DB, GREEN_ALONE_DB, RED_MARGIN_DB = 10.0, 15.0, 5.0

# Degrees from upright: beyond the first a remark, beyond the second a fault. A bin's sensor sees its walls.
TILT_DEG = {"bin": (3.0, 6.0), "garden": (3.0, 8.0), "air": (5.0, 15.0), "noise": (5.0, 15.0)}

BUDDIES, BUDDY_KM, BUDDY_Z = 4, 10.0, 3.1
FAULT_Z = 2 * BUDDY_Z  # own proposal: so far off is no weather
# Smallest deviation that neighbours are taken to have: 1.0 K is MetObs'; the others are own proposals, about
# what sensors of one type differ by side by side.
SMALLEST_DEVIATION = {
    "temperature": 1.0,
    "relative_humidity": 5.0,
    "pressure": 1.5,
    "pm2_5": 5.0,
    "pm10": 8.0,
    "laeq": 8.0,
}
INDOOR_K = 4.0  # own proposal: so much warmer and drier than the street at once is a room

_SILENT = ("no_answer", "timeout", "checksum", "fault")  # names of wire.record.STATE_NAMES
_WELL = ("ok", "warmup", "below_floor")

NEAR_M, FAR_M, VAGUE_M = 25.0, 100.0, 50.0
OPEN_BIN = 0.1  # an empty bin may measure this much more than its depth


@lru_cache(100)
def spreading_factor(data_rate: str | None) -> int | None:
    """Return the SF of `SF9BW125` or `DR3` (EU868), None when it is another modulation."""
    text = (data_rate or "").upper()
    if text.startswith("DR") and text[2:].isdigit():
        number = int(text[2:])
        return 12 - number if number <= 5 else None
    if text.startswith("SF"):
        digits = text[2:].split("BW")[0]
        return int(digits) if digits.isdigit() and int(digits) in SNR_FLOOR_DB else None
    return None


def signal(uplinks: Sequence[Uplink]) -> Check:
    """Judge how well a LoRaWAN device is heard: the weakest of its last uplinks, by its best gateway each."""
    margins: list[float] = []
    gateways: set[str] = set()
    for uplink in uplinks:
        found: list[float] = []
        for heard in uplink.receptions:
            factor = spreading_factor(heard.data_rate)
            if heard.snr_db is not None and factor is not None:
                found.append(heard.snr_db - SNR_FLOOR_DB[factor])
                gateways.add(heard.gateway_id)
        if found:
            margins.append(max(found))
    if len(margins) < UPLINKS_NEEDED:
        return Check("signal", WAITING, "signal_waiting", {"heard": len(margins), "needed": UPLINKS_NEEDED})
    margin = min(margins)
    figures: dict[str, float | int | str] = {"margin_db": round(margin, 1), "gateways": len(gateways)}
    if margin < RED_MARGIN_DB:
        return Check("signal", RED, "signal_weak", figures)
    if margin < GREEN_MARGIN_DB:
        return Check("signal", AMBER, "signal_thin", figures)
    if len(gateways) < 2 and margin < GREEN_ALONE_DB:
        return Check("signal", AMBER, "signal_one_gateway", figures)
    return Check("signal", GREEN, "signal_good", figures)


def wifi(uplinks: Sequence[Uplink]) -> Check:
    """Judge a device on Wi-Fi: its messages are acknowledged, so hearing three is enough."""
    heard = len(uplinks)
    if heard < UPLINKS_NEEDED:
        return Check("signal", WAITING, "signal_waiting", {"heard": heard, "needed": UPLINKS_NEEDED})
    return Check("signal", GREEN, "wifi_good", {"heard": heard})


def tilt(kind: str, degrees: float | None, height_mm: float | None = None) -> Check | None:
    """Judge how level a device hangs; None when it has no accelerometer: then the photo must do.

    height_mm: what a distance sensor looks down, to tell the error that the tilt makes.
    """
    if degrees is None:
        return None
    remark, fault = TILT_DEG[kind]
    figures: dict[str, float | int | str] = {"degrees": round(degrees, 1), "limit": fault}
    if degrees <= remark:
        return Check("tilt", GREEN, "tilt_good", figures)
    if height_mm is not None and degrees < 80:
        figures["error_mm"] = round(height_mm * (1 / math.cos(math.radians(degrees)) - 1))
        return Check("tilt", AMBER if degrees <= fault else RED, "tilt_distance", figures)
    return (
        Check("tilt", AMBER, "tilt_little", figures)
        if degrees <= fault
        else Check("tilt", RED, "tilt_much", figures)
    )


def sensors(states: Mapping[str, str]) -> Check:
    """Judge the states of the first record, by quantity: what does not answer must not be left behind."""
    if not states:
        return Check("sensors", WAITING, "sensors_waiting")
    silent = sorted(name for name, state in states.items() if state in _SILENT)
    if silent:
        return Check("sensors", RED, "sensors_silent", {"names": ", ".join(silent)})
    doubtful = sorted(name for name, state in states.items() if state not in _WELL)
    if doubtful:
        return Check("sensors", AMBER, "sensors_doubtful", {"names": ", ".join(doubtful)})
    return Check("sensors", GREEN, "sensors_good", {"count": len(states)})


def against_neighbours(quantity: str, value: float, neighbours: Sequence[Neighbour]) -> Check | None:
    """Judge a value by those around; None when there are too few to say anything."""
    least = SMALLEST_DEVIATION.get(quantity)
    near = [other.value for other in neighbours if other.distance_m <= BUDDY_KM * 1000]
    if least is None or len(near) < BUDDIES:
        return None
    middle = median(near)
    deviation = max(1.4826 * median(abs(other - middle) for other in near), least)
    z = (value - middle) / deviation
    figures: dict[str, float | int | str] = {
        "quantity": quantity,
        "value": round(value, 1),
        "around": round(middle, 1),
        "sites": len(near),
    }
    if abs(z) > FAULT_Z:
        return Check("plausible", RED, "value_impossible", figures)
    if abs(z) > BUDDY_Z:
        return Check("plausible", AMBER, "value_odd", figures)
    return Check("plausible", GREEN, "value_good", figures)


def indoors(values: Mapping[str, float], around: Mapping[str, Sequence[Neighbour]]) -> Check | None:
    """Judge whether temperature and humidity are those of a room; None when not, or not to be told."""
    middle: dict[str, float] = {}
    for quantity in ("temperature", "relative_humidity"):
        near = [other.value for other in around.get(quantity, ()) if other.distance_m <= BUDDY_KM * 1000]
        if quantity not in values or len(near) < BUDDIES:
            return None
        middle[quantity] = median(near)
    warmer = values["temperature"] - middle["temperature"]
    drier = middle["relative_humidity"] - values["relative_humidity"]
    # The same air, warmed: its relative humidity falls by about 5.5 % of itself for each kelvin.
    if warmer < INDOOR_K or drier < 0.5 * warmer * 0.055 * middle["relative_humidity"]:
        return None
    return Check("plausible", RED, "indoors", {"warmer": round(warmer, 1), "drier": round(drier)})


def bin_geometry(distance_mm: float, empty_mm: float | None, full_mm: float | None) -> Check | None:
    """Judge a distance by the bin's own dimensions; None when they are not known."""
    if empty_mm is None or full_mm is None:
        return None
    figures: dict[str, float | int | str] = {"distance_mm": round(distance_mm), "empty_mm": round(empty_mm)}
    if distance_mm > empty_mm * (1 + OPEN_BIN):
        return Check("plausible", RED, "bin_too_deep", figures)
    if distance_mm < full_mm * 0.5:
        return Check("plausible", RED, "bin_blocked", figures)
    return Check("plausible", GREEN, "bin_good", figures)


def place(kind: str, site_kind: str, site_id: str, expected_site_id: str) -> Check:
    """Judge whether this is the device that belongs here."""
    if kind != site_kind:
        return Check("place", RED, "other_kind", {"kind": kind, "site_kind": site_kind})
    if site_id != expected_site_id:
        return Check("place", RED, "other_site", {"site": site_id, "expected": expected_site_id})
    return Check("place", GREEN, "place_good", {"site": site_id})


def position(found: Position | None, longitude: float, latitude: float) -> Check:
    """Judge where the technician stands against where the site is on record."""
    if found is None:
        return Check("position", WAITING, "position_waiting")
    if not (-90 <= found.latitude <= 90 and -180 <= found.longitude <= 180) or (
        abs(found.latitude) < 0.01 and abs(found.longitude) < 0.01  # "Null Island": a phone without a fix
    ):
        return Check("position", RED, "position_none")
    away_m = distance_m(found.longitude, found.latitude, longitude, latitude)
    figures: dict[str, float | int | str] = {"away_m": round(away_m), "accuracy_m": round(found.accuracy_m)}
    if found.accuracy_m > VAGUE_M:
        return Check("position", AMBER, "position_vague", figures)
    if away_m <= max(NEAR_M, 2 * found.accuracy_m):
        return Check("position", GREEN, "position_good", figures)
    return Check("position", AMBER if away_m <= FAR_M else RED, "position_off", figures)


def photo(there: bool) -> Check:
    """Ask for a photo."""
    return Check("photo", GREEN, "photo_good") if there else Check("photo", WAITING, "photo_waiting")


def distance_m(longitude: float, latitude: float, longitude2: float, latitude2: float) -> float:
    """Return the distance of two points on a sphere of 6,371 km (haversine)."""
    phi, phi2 = math.radians(latitude), math.radians(latitude2)
    half = math.sin((phi2 - phi) / 2) ** 2
    half += math.cos(phi) * math.cos(phi2) * math.sin(math.radians(longitude2 - longitude) / 2) ** 2
    return 2 * 6_371_000 * math.asin(math.sqrt(min(1.0, half)))
