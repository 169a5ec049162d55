"""SNTP (RFC 4330): one question, one answer, with its fraction of a second."""

from wire._compat import const

_UNIX_EPOCH_S = const(2208988800)  # 1970 in seconds of the NTP era that began in 1900
_ERA_S = const(4294967296)  # era 1 begins in 2036


def utc_ms_of(answer):
    """Return UTC in ms of a server's answer of 48 bytes, or None when it is none to go by."""
    if len(answer) < 48 or answer[0] & 7 != 4:  # mode 4: server
        return None
    if answer[0] >> 6 == 3 or answer[1] == 0:  # leap 3: not synchronised; stratum 0: kiss of death
        return None
    seconds = int.from_bytes(answer[40:44], "big")
    if seconds < _UNIX_EPOCH_S:
        seconds += _ERA_S
    return (seconds - _UNIX_EPOCH_S) * 1000 + (int.from_bytes(answer[44:48], "big") * 1000 >> 32)


def ask(socket, clock, host, timeout_s=5):
    """Return (utc_ms, at_ticks_ms) or None. Half of the round trip is taken off."""
    try:
        address = socket.getaddrinfo(host, 123)[0][-1]
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    except OSError:
        return None
    try:
        sock.settimeout(timeout_s)
        started = clock.ticks_ms()
        sock.sendto(b"\x23" + bytes(47), address)  # version 4, mode 3: client
        answer = sock.recv(48)
        ended = clock.ticks_ms()
    except OSError:
        return None
    finally:
        sock.close()
    utc_ms = utc_ms_of(answer)
    if utc_ms is None:
        return None
    return utc_ms, clock.ticks_add(started, clock.ticks_diff(ended, started) // 2)
