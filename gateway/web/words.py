"""The words of measurement: quantities, kinds of site, states and flags, as people call them.

Names that another stage brings and that are not listed here are shown as they are: an unknown flag is
better seen than hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.web.languages import N_
from wire.measurements import band_hz


@dataclass(frozen=True, slots=True)
class Quantity:
    """How a quantity is shown: label (a message id), decimals, and its place among others of a site."""

    label: str
    decimals: int
    rank: int


QUANTITIES = {
    "pm2_5": Quantity(N_("Fine particles PM2.5"), 1, 1),
    "pm10": Quantity(N_("Particles PM10"), 1, 2),
    "pm1": Quantity(N_("Very fine particles PM1"), 1, 3),
    "pm4": Quantity(N_("Particles PM4"), 1, 4),
    "laeq": Quantity(N_("Sound level LAeq"), 1, 10),
    "lafmax": Quantity(N_("Loudest moment LAFmax"), 1, 11),
    "lafmin": Quantity(N_("Quietest moment LAFmin"), 1, 12),
    "la10": Quantity(N_("Level exceeded 10 % of the time LA10"), 1, 13),
    "la50": Quantity(N_("Level exceeded half of the time LA50"), 1, 14),
    "la90": Quantity(N_("Background level LA90"), 1, 15),
    "lceq": Quantity(N_("Sound level with bass LCeq"), 1, 16),
    "lcpeak": Quantity(N_("Highest peak LCpeak"), 1, 17),
    "la1": Quantity(N_("Level exceeded 1 % of the time LA1"), 1, 18),
    "la95": Quantity(N_("Level exceeded 95 % of the time LA95"), 1, 18),
    "la99": Quantity(N_("Level exceeded 99 % of the time LA99"), 1, 18),
    "lasmax": Quantity(N_("Loudest moment, slow, LASmax"), 1, 18),
    "lzeq": Quantity(N_("Sound level without weighting LZeq"), 1, 18),
    "laeq_1s": Quantity(N_("Sound level of one second LAeq,1s"), 1, 19),
    "sound_notes": Quantity(N_("Beside the street: 1 wind, 2 rain, 4 clock drift"), 0, 83),
    "pm2_5_min": Quantity(N_("Lowest PM2.5 of the samples"), 1, 5),
    "pm2_5_max": Quantity(N_("Highest PM2.5 of the samples"), 1, 6),
    "pm2_5_deviation": Quantity(N_("Standard deviation of the PM2.5 samples"), 1, 7),
    "filling_level": Quantity(N_("Fill level"), 0, 20),
    "distance": Quantity(N_("Distance to the waste"), 0, 21),
    "distance_light": Quantity(N_("Distance to the waste by light"), 0, 22),
    "fill_volume": Quantity(N_("Volume of the waste"), 0, 23),
    "lid_openings": Quantity(N_("Openings of the lid, counter"), 0, 24),
    "events": Quantity(N_("Events: 1 emptied, 2 tilted, 4 knocked over, 8 fire, 16 lid open"), 0, 25),
    "passages": Quantity(N_("Passages, counter"), 0, 26),
    "temperature": Quantity(N_("Temperature"), 1, 30),
    "relative_humidity": Quantity(N_("Relative humidity"), 0, 31),
    "precipitation": Quantity(N_("Rain since the reading before"), 1, 32),
    "rain_tips": Quantity(N_("Tips of the rain gauge"), 0, 33),
    "soil_temperature": Quantity(N_("Temperature of the soil"), 1, 34),
    "soil_moisture": Quantity(N_("Moisture of the soil"), 0, 35),
    "dew_point": Quantity(N_("Dew point"), 1, 36),
    "pressure": Quantity(N_("Air pressure"), 1, 40),
    "co2": Quantity(N_("Carbon dioxide CO2"), 0, 41),
    "voc_index": Quantity(N_("Index of volatile substances (100 is usual here)"), 0, 42),
    "nox_index": Quantity(N_("Index of nitrogen oxides (1 is usual here)"), 0, 43),
    "sraw_voc": Quantity(N_("Raw signal of volatile substances"), 0, 44),
    "sraw_nox": Quantity(N_("Raw signal of nitrogen oxides"), 0, 45),
    "gas_resistance": Quantity(N_("Raw resistance of the gas sensor"), 0, 46),
    "samples": Quantity(N_("Samples of a record"), 0, 81),
    "health": Quantity(
        N_("Health of the sensor: 1 slow fan, 2 dead fan, 4 laser, 8 gas, 16 climate, 32 cleaning, 64 sun"),
        0,
        82,
    ),
    "tilt": Quantity(N_("Tilt since installation"), 1, 80),
    "solar": Quantity(N_("Solar panel"), 0, 91),
    "current": Quantity(N_("Current into the battery"), 1, 92),
    "battery": Quantity(N_("Battery"), 0, 90),
}

KINDS = {
    "air": N_("Air"),
    "noise": N_("Noise"),
    "bin": N_("Waste bin"),
    "garden": N_("Garden"),
}

# What a reading's own state says (wire.record) ...
STATES = {
    "warmup": N_("sensor was still settling"),
    "below_floor": N_("below what the sensor can tell apart"),
    "overload": N_("above what the sensor can take"),
    "degraded": N_("sensor is dirty or worn"),
    "gap": N_("part of the measuring time is missing"),
    "no_answer": N_("sensor does not answer"),
    "timeout": N_("sensor answers too late"),
    "checksum": N_("reading was damaged on its way"),
    "out_of_range": N_("outside of what can be true"),
    "fault": N_("sensor says that it is broken"),
    "not_ready": N_("sensor has no value yet"),
}

# ... and what the checks of the gateway say.
FLAGS = {
    "range": N_("outside of what can be true"),
    "step": N_("jumped faster than it can"),
    "stuck": N_("has not moved for too long"),
    "order": N_("contradicts another value of the same sensor"),
    "geometry": N_("does not fit the size of the bin"),
    "counter_reset": N_("the counter of the rain gauge started again"),
    "time_unset": N_("the node did not know the time"),
    "fog": N_("mist: the sensor cannot tell dust from droplets"),
    "neighbours": N_("does not fit its neighbours"),
    "network": N_("does not fit the network"),
    "often_out": N_("has not fitted the network for weeks: look at the place and the sensor"),
    "unlike": N_("does not move with the network: perhaps it hangs indoors"),
    "drift": N_("has drifted away from its neighbours"),
    "wind": N_("wind blew on the microphone"),
    "rain": N_("it sounded like rain on the microphone"),
    "clock_drift": N_("the microphone's clock is off by more than 0.2 %"),
    "maintenance": N_("somebody was at work on the sensor"),
    "future": N_("comes from the future: the node's clock is wrong"),
}


# Third octaves: their names are the same in every language, and they stand behind all others of a site.
QUANTITIES.update(
    {f"lzeq_{hz}hz": Quantity(f"LZeq 1/3 oct {hz.replace('_', ',')} Hz", 0, 60) for hz in band_hz()}
)


def quantity(name: str) -> Quantity:
    """Return how a quantity is shown."""
    return QUANTITIES.get(name) or Quantity(name, 2, 50)
