"""The measurement table: every quantity that a node can report, one row each.

A raw value on the wire is an integer; the value in `unit` is raw / 10**decimals. The range is what
may be packed: a driver's reading outside it becomes the state OUT_OF_RANGE, never a wrapped number.
Adding a quantity is one row here (ids are never reused) and its place in a channel set.
Units are written in ASCII; the gateway maps them to UCUM and UN/CEFACT codes in one table of its own.
"""

from ._compat import const

PM1 = const(1)
PM2_5 = const(2)
PM4 = const(3)
PM10 = const(4)
TEMPERATURE = const(5)
RELATIVE_HUMIDITY = const(6)
LAEQ = const(7)
LAFMAX = const(8)
LAFMIN = const(9)
LA10 = const(10)
LA50 = const(11)
LA90 = const(12)
LCEQ = const(13)
LCPEAK = const(14)
DISTANCE = const(15)
RAIN_TIPS = const(16)
BATTERY = const(17)
PRESSURE = const(18)
CO2 = const(19)
VOC_INDEX = const(20)
NOX_INDEX = const(21)
SRAW_VOC = const(22)
SRAW_NOX = const(23)
SOIL_TEMPERATURE = const(24)
SOIL_MOISTURE = const(25)
SOLAR = const(26)
CURRENT = const(27)
TILT = const(28)
LA1 = const(29)
LA95 = const(30)
LA99 = const(31)
LASMAX = const(32)
LZEQ = const(33)
SOUND_NOTES = const(34)
LAEQ_1S = const(35)
# 36 to 39 are kept for sound.
PM2_5_MIN = const(40)
PM2_5_MAX = const(41)
PM2_5_DEVIATION = const(42)
SAMPLES = const(43)
HEALTH = const(44)
DISTANCE_LIGHT = const(45)
FILL_VOLUME = const(46)
LID_OPENINGS = const(47)
EVENTS = const(48)
PASSAGES = const(49)
DEW_POINT = const(50)
GAS_RESISTANCE = const(51)
# 64 to 96: third octaves from 12.5 Hz (64) to 20 kHz (96), see BAND_HZ.
BAND_FIRST = const(64)

# Bits of EVENTS: what happened since the record before.
EVENT_EMPTIED = const(1)
EVENT_TILTED = const(2)
EVENT_KNOCKED_OVER = const(4)
EVENT_FIRE = const(8)
EVENT_LID_OPEN = const(16)

# Bits of SOUND_NOTES: what was heard beside the sound of the street. The levels stand, for who leaves such
# times out; what makes a level doubtful is the state of its reading.
SOUND_WIND = const(1)  # rumble below 20 Hz
SOUND_RAIN = const(2)  # steady, bright noise, as of rain on the housing
SOUND_DRIFT = const(4)  # the sampling clock is off by more than 0.2 %

# Bits of HEALTH: what the sensor says about itself; 0 is all well.
HEALTH_FAN_SLOW = const(1)
HEALTH_FAN_DEAD = const(2)
HEALTH_LASER = const(4)
HEALTH_GAS = const(8)
HEALTH_CLIMATE = const(16)
HEALTH_CLEANING = const(32)
HEALTH_RADIATION = const(64)  # the sun heats the housing: temperature and humidity are DEGRADED

# (id, name, unit, decimals, raw_min, raw_max)
MEASUREMENTS = (
    (PM1, "pm1", "ug/m3", 1, 0, 10000),  # SPS30 datasheet 1.1: 0..1000 ug/m3
    (PM2_5, "pm2_5", "ug/m3", 1, 0, 10000),
    (PM4, "pm4", "ug/m3", 1, 0, 10000),
    (PM10, "pm10", "ug/m3", 1, 0, 10000),
    (TEMPERATURE, "temperature", "Cel", 2, -4500, 13000),  # SHT4x 4.6: -45..130 by formula
    (RELATIVE_HUMIDITY, "relative_humidity", "%", 1, 0, 1000),
    (LAEQ, "laeq", "dB(A)", 1, 0, 1500),
    (LAFMAX, "lafmax", "dB(A)", 1, 0, 1500),
    (LAFMIN, "lafmin", "dB(A)", 1, 0, 1500),
    (LA10, "la10", "dB(A)", 1, 0, 1500),
    (LA50, "la50", "dB(A)", 1, 0, 1500),
    (LA90, "la90", "dB(A)", 1, 0, 1500),
    (LCEQ, "lceq", "dB(C)", 1, 0, 1500),
    (LCPEAK, "lcpeak", "dB(C)", 1, 0, 1600),
    (DISTANCE, "distance", "mm", 0, 0, 10000),
    (RAIN_TIPS, "rain_tips", "1", 0, 0, 65535),  # rises and wraps: the gateway takes differences
    (BATTERY, "battery", "mV", 0, 0, 20000),
    (PRESSURE, "pressure", "hPa", 1, 3000, 11000),  # at the sensor, not reduced to sea level
    (CO2, "co2", "ppm", 0, 0, 40000),
    (VOC_INDEX, "voc_index", "1", 1, 0, 5000),  # Sensirion's index: 100 is the mean of the last day
    (NOX_INDEX, "nox_index", "1", 1, 0, 5000),  # 1 is the mean
    (SRAW_VOC, "sraw_voc", "1", 0, 0, 65535),  # ticks, proportional to the logarithm of a resistance
    (SRAW_NOX, "sraw_nox", "1", 0, 0, 65535),
    (SOIL_TEMPERATURE, "soil_temperature", "Cel", 2, -5500, 12500),
    (SOIL_MOISTURE, "soil_moisture", "%", 1, 0, 1000),  # of the span between the probe's dry and wet point
    (SOLAR, "solar", "mV", 0, 0, 32000),
    (CURRENT, "current", "mA", 1, -32000, 32000),  # positive: the battery is charged
    (TILT, "tilt", "deg", 1, 0, 1800),  # from the position of installation
    (PM2_5_MIN, "pm2_5_min", "ug/m3", 1, 0, 10000),  # of the samples of one record
    (PM2_5_MAX, "pm2_5_max", "ug/m3", 1, 0, 10000),
    (PM2_5_DEVIATION, "pm2_5_deviation", "ug/m3", 1, 0, 10000),
    (SAMPLES, "samples", "1", 0, 0, 255),
    (HEALTH, "health", "1", 0, 0, 255),  # bits HEALTH_*
    (DISTANCE_LIGHT, "distance_light", "mm", 0, 0, 10000),  # by time of flight, beside that by sound
    (FILL_VOLUME, "fill_volume", "L", 0, 0, 20000),
    (LID_OPENINGS, "lid_openings", "1", 0, 0, 65535),  # rises and wraps
    (EVENTS, "events", "1", 0, 0, 255),  # bits EVENT_*
    (PASSAGES, "passages", "1", 0, 0, 65535),  # rises and wraps
    (DEW_POINT, "dew_point", "Cel", 2, -10000, 10000),
    (LA1, "la1", "dB(A)", 1, 0, 1500),  # exceeded 1 % of the time
    (LA95, "la95", "dB(A)", 1, 0, 1500),
    (LA99, "la99", "dB(A)", 1, 0, 1500),
    (LASMAX, "lasmax", "dB(A)", 1, 0, 1500),  # time weighting slow
    (LZEQ, "lzeq", "dB", 1, 0, 1500),  # from 2 Hz to 20 kHz without weighting
    (SOUND_NOTES, "sound_notes", "1", 0, 0, 15),  # bits SOUND_*
    (LAEQ_1S, "laeq_1s", "dB(A)", 1, 0, 1500),  # of the second that ends then
    (GAS_RESISTANCE, "gas_resistance", "Ohm", 0, 0, 100000000),  # BME680: relative, each chip its own
)

# Third octaves, by their nominal frequency in Hz: unweighted, whole decibels (IEC 61260-1), 0 is "0 dB or
# less". Their rows are made when asked for: 33 more would cost a chip 5 KB.
_BAND_HZ = (
    "12_5 16 20 25 31_5 40 50 63 80 100 125 160 200 250 315 400 500 630 800 1000 1250 1600 2000 2500 3150 "
    "4000 5000 6300 8000 10000 12500 16000 20000"
)
BANDS = const(33)


def band_hz():
    """Return the names of the bands, from 12.5 Hz up, as they stand in names of quantities."""
    return _BAND_HZ.split(" ")


def _band(i):
    return (BAND_FIRST + i, "lzeq_" + band_hz()[i] + "hz", "dB", 0, 0, 127)


_BY_ID = {row[0]: row for row in MEASUREMENTS}
_BY_NAME = {row[1]: row for row in MEASUREMENTS}


def by_id(measurement_id):
    """Return the row of an id, or None."""
    if BAND_FIRST <= measurement_id < BAND_FIRST + BANDS:
        return _band(measurement_id - BAND_FIRST)
    return _BY_ID.get(measurement_id)


def by_name(name):
    """Return the row of a name, or None."""
    if name[:5] == "lzeq_" and name[-2:] == "hz" and name[5:-2] in band_hz():
        return _band(band_hz().index(name[5:-2]))
    return _BY_NAME.get(name)
