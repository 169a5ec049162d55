# SNTP (RFC 4330) over the simulated UDP, in the shape of micropython-lib's ntptime.
import socket
import time as _time

from ustruct import unpack_from

import machine

host = "ntp"
timeout = 1
_NTP_TO_2000_S = 3155673600  # 1900-01-01 to 2000-01-01, the epoch of the chip


def time():
    query = bytearray(48)
    query[0] = 0x1B
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.settimeout(timeout)
        s.sendto(query, socket.getaddrinfo(host, 123)[0][-1])
        answer = s.recv(48)
    finally:
        s.close()
    return unpack_from(">I", answer, 40)[0] - _NTP_TO_2000_S


def settime():
    t = _time.gmtime(time())
    machine.RTC().datetime((t[0], t[1], t[2], t[6] + 1, t[3], t[4], t[5], 0))
