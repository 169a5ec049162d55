"""Dew point of air from temperature and relative humidity, in integers.

Saturation pressure over water by Magnus' formula with Sonntag's constants (WMO-No. 8, annex 4.B):
611.2 Pa * exp(17.62 t / (243.12 + t)), tabled for each whole degree and straight in between, which is off
by at most 0.03 degrees (0.1 below -40).
"""

from wire._compat import const

_FIRST = const(-70)  # degrees Celsius of the first row
# Hundredths of a pascal at -70, -69, ... 80 degrees Celsius.
_PRESSURES = (
    49,
    57,
    65,
    75,
    86,
    99,
    113,
    129,
    147,
    167,
    190,
    216,
    245,
    277,
    313,
    354,
    399,
    450,
    506,
    569,
    638,
    715,
    801,
    896,
    1001,
    1117,
    1245,
    1387,
    1542,
    1714,
    1902,
    2109,
    2336,
    2586,
    2858,
    3157,
    3484,
    3840,
    4230,
    4654,
    5117,
    5620,
    6168,
    6764,
    7410,
    8112,
    8872,
    9696,
    10588,
    11553,
    12597,
    13723,
    14939,
    16251,
    17665,
    19187,
    20826,
    22589,
    24483,
    26518,
    28703,
    31047,
    33559,
    36251,
    39134,
    42218,
    45517,
    49043,
    52809,
    56830,
    61120,
    65695,
    70570,
    75763,
    81292,
    87174,
    93430,
    100079,
    107143,
    114643,
    122603,
    131046,
    139998,
    149483,
    159531,
    170167,
    181423,
    193327,
    205913,
    219212,
    233260,
    248090,
    263742,
    280251,
    297659,
    316006,
    335334,
    355689,
    377115,
    399660,
    423372,
    448303,
    474505,
    502031,
    530939,
    561284,
    593128,
    626531,
    661558,
    698274,
    736746,
    777044,
    819241,
    863409,
    909627,
    957971,
    1008523,
    1061367,
    1116588,
    1174274,
    1234516,
    1297407,
    1363042,
    1431521,
    1502945,
    1577416,
    1655043,
    1735933,
    1820201,
    1907960,
    1999329,
    2094429,
    2193384,
    2296322,
    2403374,
    2514671,
    2630353,
    2750558,
    2875431,
    3005117,
    3139768,
    3279536,
    3424580,
    3575059,
    3731139,
    3892987,
    4060774,
    4234677,
    4414874,
    4601548,
    4794885,
)


def _pressure(centi):
    """Return the saturation pressure, in hundredths of a pascal, at hundredths of a degree."""
    i = (centi - 100 * _FIRST) // 100
    i = max(0, min(len(_PRESSURES) - 2, i))
    part = centi - 100 * (i + _FIRST)
    return _PRESSURES[i] + (_PRESSURES[i + 1] - _PRESSURES[i]) * part // 100


def dew_point_centi(temperature_centi, humidity_tenths):
    """Return hundredths of a degree Celsius, or None where there is none: no humidity, or off the table."""
    if humidity_tenths <= 0 or not 100 * _FIRST <= temperature_centi <= 8000:
        return None
    wanted = _pressure(temperature_centi) * min(humidity_tenths, 1000) // 1000
    if wanted < _PRESSURES[0]:
        return None
    low, high = 0, len(_PRESSURES) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if _PRESSURES[middle] <= wanted:
            low = middle
        else:
            high = middle
    span = _PRESSURES[high] - _PRESSURES[low]
    return 100 * (low + _FIRST) + (100 * (wanted - _PRESSURES[low]) + span // 2) // span
