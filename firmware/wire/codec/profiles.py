"""Channel sets: which measurements a frame carries, in which order. Encoder and decoder read the same rows.

Numbers are never reused and a row never changes once a node has sent it; a new set is a new row.
Profile 0 has no row: its frame carries the ids itself, so any set can be sent, for a few bytes more.
"""

from .._compat import const
from ..measurements import (
    BAND_FIRST,
    BATTERY,
    DEW_POINT,
    DISTANCE,
    DISTANCE_LIGHT,
    EVENTS,
    FILL_VOLUME,
    HEALTH,
    LA1,
    LA10,
    LA50,
    LA90,
    LA95,
    LA99,
    LAEQ,
    LAEQ_1S,
    LAFMAX,
    LAFMIN,
    LASMAX,
    LCEQ,
    LCPEAK,
    LID_OPENINGS,
    LZEQ,
    PASSAGES,
    PM1,
    PM2_5,
    PM2_5_DEVIATION,
    PM2_5_MAX,
    PM2_5_MIN,
    PM4,
    PM10,
    RAIN_TIPS,
    RELATIVE_HUMIDITY,
    SAMPLES,
    SOIL_MOISTURE,
    SOIL_TEMPERATURE,
    SOUND_NOTES,
    TEMPERATURE,
    TILT,
)

EXPLICIT = const(0)

_PM_SPREAD = (
    PM1,
    PM2_5,
    PM4,
    PM10,
    TEMPERATURE,
    RELATIVE_HUMIDITY,
    PM2_5_MIN,
    PM2_5_MAX,
    PM2_5_DEVIATION,
    SAMPLES,
)
_BIN = (TEMPERATURE, RELATIVE_HUMIDITY, DISTANCE, BATTERY, TILT, DISTANCE_LIGHT, LID_OPENINGS)
_GARDEN = (TEMPERATURE, RELATIVE_HUMIDITY, RAIN_TIPS, BATTERY, SOIL_TEMPERATURE, SOIL_MOISTURE, DEW_POINT)

_SOUND = (LAEQ, LAFMAX, LAFMIN, LA10, LA50, LA90, LCEQ, LCPEAK, LA1, LA95, LA99, LASMAX, LZEQ, SOUND_NOTES)

# (profile, measurement ids in packing order)
PROFILES = (
    (1, (PM1, PM2_5, PM4, PM10, TEMPERATURE, RELATIVE_HUMIDITY, BATTERY)),  # air
    (2, (LAEQ, LAFMAX, LAFMIN, LA10, LA50, LA90, LCEQ, LCPEAK, BATTERY)),  # noise
    (3, (DISTANCE, BATTERY)),  # bin
    (4, (TEMPERATURE, RELATIVE_HUMIDITY, RAIN_TIPS, BATTERY)),  # garden
    (5, (DISTANCE, TEMPERATURE, RELATIVE_HUMIDITY, BATTERY)),  # bin that also measures the climate
    (6, (PM1, PM2_5, PM4, PM10, TEMPERATURE, RELATIVE_HUMIDITY)),  # air on mains
    (7, (LAEQ, LAFMAX, LAFMIN, LA10, LA50, LA90, LCEQ, LCPEAK)),  # noise on mains
    (8, _SOUND),  # every level of a noise node
    (9, _SOUND[:8] + (BATTERY,) + _SOUND[8:]),
    (10, (LAEQ_1S,)),  # the seconds of an event
    (11, tuple(range(BAND_FIRST + 3, BAND_FIRST + 33))),  # third octaves from 25 Hz to 20 kHz
    # From here on in the order of the ids.
    (20, (TEMPERATURE, RELATIVE_HUMIDITY, RAIN_TIPS, BATTERY, DEW_POINT)),  # small garden
    (21, _GARDEN),
    (22, tuple(sorted(_GARDEN + (HEALTH,)))),
    (23, _PM_SPREAD),  # air, averaged
    (24, _PM_SPREAD + (HEALTH,)),
    (25, _BIN),
    (26, tuple(sorted(_BIN + (EVENTS, FILL_VOLUME)))),
    (27, (PM1, PM2_5, PM4, PM10) + _BIN + (PASSAGES,)),  # bin with air and passages
    (28, tuple(sorted((PM1, PM2_5, PM4, PM10) + _BIN + (PASSAGES, EVENTS, FILL_VOLUME, HEALTH)))),
)


def channels_of(profile):
    """Return the measurement ids of a numbered profile, or None."""
    for number, channels in PROFILES:
        if number == profile:
            return channels
    return None


def choose(ids):
    """Return (profile, channels) that carries all ids: the shortest row that covers them, else EXPLICIT."""
    best = None
    for number, channels in PROFILES:
        if (best is None or len(channels) < len(best[1])) and all(i in channels for i in ids):
            best = (number, channels)
    return best or (EXPLICIT, tuple(sorted(ids)))
