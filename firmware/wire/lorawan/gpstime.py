"""GPS time, which DeviceTimeAns counts in: seconds since 1980-01-06T00:00:00Z that know leap seconds."""

from .._compat import const

GPS_EPOCH_UNIX_S = const(315964800)

# Days from the GPS epoch to the midnights before which a leap second was inserted (IERS Bulletin C):
# 1981-07, 1982-07, 1983-07, 1985-07, 1988-01, 1990-01, 1991-01, 1992-07, 1993-07, 1994-07, 1996-01,
# 1997-07, 1999-01, 2006-01, 2009-01, 2012-07, 2015-07, 2017-01. No later one is announced.
_LEAP_DAYS = (
    542, 907, 1272, 2003, 2917, 3648, 4013, 4560, 4925, 5290, 5839,
    6386, 6935, 9492, 10588, 11865, 12960, 13510,
)  # fmt: skip


def gps_ms(unix_ms: int) -> int:
    """Return GPS milliseconds of UTC milliseconds since 1970."""
    ms = unix_ms - GPS_EPOCH_UNIX_S * 1000
    for leaps in range(len(_LEAP_DAYS), 0, -1):
        if ms >= _LEAP_DAYS[leaps - 1] * 86400000:
            return ms + leaps * 1000
    return ms


def unix_ms(gps_s: int, fraction_256: int = 0) -> int:
    """Return UTC milliseconds since 1970 of GPS seconds and 1/256 s; a leap second repeats 00:00:00."""
    leaps = len(_LEAP_DAYS)
    while leaps and gps_s < _LEAP_DAYS[leaps - 1] * 86400 + leaps:
        leaps -= 1
    return (GPS_EPOCH_UNIX_S + gps_s - leaps) * 1000 + (fraction_256 * 1000 + 128) // 256
