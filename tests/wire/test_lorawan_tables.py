"""Time on air and GPS time over their whole range."""

from __future__ import annotations

import datetime
import math

import loramsg
import pytest

from wire.errors import WireError
from wire.lorawan import airtime, gpstime


@pytest.mark.parametrize("sf", range(7, 13))
def test_time_on_air_equals_liblora_for_every_length(sf):
    for bw_khz in (125, 250, 500):
        for crc in (True, False):
            for coding_rate in (1, 4):
                for length in range(0, 256, 5):
                    theirs = loramsg.airtime(bw_khz, sf, length, coding_rate, 0, int(crc))
                    ours = airtime.time_on_air_us(sf, bw_khz, length, crc, 8, coding_rate)
                    assert abs(ours - theirs) <= 1, (bw_khz, crc, coding_rate, length)


@pytest.mark.parametrize("call", [(6, 125, 1), (13, 125, 1), (7, 200, 1), (7, 125, 256), (7, 125, -1)])
def test_what_is_no_lora_frame_is_refused(call):
    with pytest.raises(WireError):
        airtime.time_on_air_us(*call)


def test_leap_seconds_were_inserted_where_the_iers_put_them():
    """IERS Bulletin C: TAI-UTC was 19 s at the GPS epoch, 37 s since 2017: GPS-UTC is 0..18 s."""
    inserted = [
        (1981, 7), (1982, 7), (1983, 7), (1985, 7), (1988, 1), (1990, 1), (1991, 1), (1992, 7), (1993, 7),
        (1994, 7), (1996, 1), (1997, 7), (1999, 1), (2006, 1), (2009, 1), (2012, 7), (2015, 7), (2017, 1),
    ]  # fmt: skip
    epoch = datetime.datetime(1980, 1, 6, tzinfo=datetime.UTC)
    for count, (year, month) in enumerate(inserted, 1):
        midnight = datetime.datetime(year, month, 1, tzinfo=datetime.UTC)
        unix_ms = round(midnight.timestamp() * 1000)
        since_epoch_ms = round((midnight - epoch).total_seconds() * 1000)
        assert gpstime.gps_ms(unix_ms) == since_epoch_ms + count * 1000
        assert gpstime.gps_ms(unix_ms - 1) == since_epoch_ms - 1 + (count - 1) * 1000


def test_gps_time_comes_back_to_the_256th_of_a_second():
    for unix_ms in range(1_000_000_000_000, 2_000_000_000_000, 7_654_321_987):
        gps_ms = gpstime.gps_ms(unix_ms)
        fraction = math.floor(gps_ms % 1000 * 256 / 1000)
        assert 0 <= unix_ms - gpstime.unix_ms(gps_ms // 1000, fraction) <= 4
