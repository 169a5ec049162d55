"""Which faults each chip model knows, by its driver's name; what they do is said in the models."""

from __future__ import annotations

BUS = ("nak", "brown_out", "bad_crc", "slow", "stuck")
ENGINE = (*BUS, "worn_fan", "dead_fan", "old_laser", "drift")

FAULTS: dict[str, tuple[str, ...]] = {
    "sps30": ENGINE,
    "sps30_uart": (*ENGINE, "noise"),
    "sen5x": (*ENGINE, "gas_fail", "rht_fail"),
    "sen66": (*ENGINE, "gas_fail", "rht_fail", "co2_fail"),
    "pms5003": ("nak", "brown_out", "bad_crc", "slow", "stuck", "noise", "old_laser", "drift"),
    "sds011": ("nak", "brown_out", "bad_crc", "slow", "stuck", "noise", "old_laser", "drift"),
    "sht4x": (*BUS, "condensation", "drift"),
    "bme280": (*BUS, "condensation", "drift"),
    "bme680": (*BUS, "condensation", "gas_fail", "drift"),
    "scd4x": (*BUS, "no_co2", "drift"),
    "sgp41": (*BUS, "gas_fail", "drift"),
    "a02yyuw": ("nak", "bad_crc", "stuck", "brown_out", "noise", "ghost_echo", "blocked_cone"),
    "mb7389": ("nak", "bad_crc", "stuck", "brown_out", "noise", "ghost_echo", "blocked_cone"),
    "vl53l1x": ("nak", "slow", "stuck", "brown_out", "condensation", "ghost_echo"),
    "lis3dh": ("nak", "stuck", "brown_out", "dead_axis"),
    "soil_moisture": ("nak",),
    "ds18b20": ("nak", "bad_crc", "short", "no_conversion", "brown_out"),
    "pcf8593": ("nak", "brown_out", "stuck"),
    "rain_gauge": ("nak", "stuck", "blocked_cone", "bounce"),
    "ina219": BUS[:4],
    "i2s_mic": ("no_power", "line_high", "floating", "wrong_slot", "stuck_bit", "hum", "repeat", "wind"),
}
