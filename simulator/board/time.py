# The node's clock: it advances by sleeping, by bus transactions, and a little with each call.
import utime as _u

from _link import TICKS_MASK, S, sleep_until, spend

_EPOCH_2000_S = 946684800  # ports/esp32 counts from 2000-01-01, the unix port from 1970
_HALF = (TICKS_MASK + 1) // 2


def _up_us():
    us = S.now - S.boot
    return us + us * S.ppm // 1000000 if S.ppm else us


def ticks_us():
    spend(2)
    return _up_us() & TICKS_MASK


def ticks_ms():
    spend(2)
    return (_up_us() // 1000) & TICKS_MASK


def ticks_cpu():
    return ticks_us()


def ticks_add(ticks, delta):
    if delta > _HALF or delta < -_HALF:
        raise OverflowError("ticks interval overflow")
    return (ticks + delta) & TICKS_MASK


def ticks_diff(a, b):
    return ((a - b + _HALF) & TICKS_MASK) - _HALF


def _sleep(us):
    if S.ppm:  # the node counts by its own crystal
        us -= us * S.ppm // 1000000
    sleep_until(S.now + us)


def sleep_us(us):
    if us > 0:
        _sleep(us)


def sleep_ms(ms):
    if ms > 0:
        _sleep(ms * 1000)


def sleep(seconds):
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    _sleep(int(seconds * 1000000))


def _rtc_us():
    spend(2)
    return S.now + S.rtc


def time():
    return _rtc_us() // 1000000 - _EPOCH_2000_S


def time_ns():
    return (_rtc_us() - _EPOCH_2000_S * 1000000) * 1000


def gmtime(seconds=None):
    if seconds is None:
        seconds = time()
    return _u.gmtime(seconds + _EPOCH_2000_S)[:8]


localtime = gmtime


def mktime(t):
    # utime.mktime takes local time; days from the civil calendar do not ask for a zone.
    y, m, d, hh, mm, ss = t[:6]
    y += (m - 1) // 12
    m = (m - 1) % 12 + 1
    a = (14 - m) // 12
    yy = y + 4800 - a
    jd = d + (153 * (m + 12 * a - 3) + 2) // 5 + 365 * yy + yy // 4 - yy // 100 + yy // 400 - 32045
    return (jd - 2451545) * 86400 + hh * 3600 + mm * 60 + ss
