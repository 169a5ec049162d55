"""Fetching an update over Wi-Fi: a few kilobytes a time from the gateway's web server, by HTTP with a Range.

The bundle is signed, so whoever serves it cannot change it; where the gateway speaks TLS, this does too.
"""

from radio.mqtt import MqttError
from wire._compat import const

_MOST = const(16384)  # bytes a time: some seconds, then live records have their turn
_BLOCK = const(2048)  # whole pieces of wire.update.PIECE_BYTES
_TIMEOUT_S = const(8)
_LINE_MOST = const(512)
_LINES_MOST = const(40)


class Fetch:
    """open_stream(host, port, timeout_s): as for radio.mqtt. host: the gateway."""

    def __init__(self, open_stream, clock, host):
        self._open = open_stream
        self._clock = clock
        self._host = host

    def some(self, wanted, take):
        """Fetch some of a bundle; tell whether it came. wanted: (id, port, offset). take(offset, data)."""
        bundle_id, port, offset = wanted
        stream = None
        try:
            stream = self._open(self._host, port, _TIMEOUT_S)
            return self._get(stream, "/update/" + bundle_id.hex(), offset, take) > 0
        except (OSError, MqttError, ValueError):
            return False
        finally:
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass

    def _get(self, stream, path, offset, take):
        end = offset + _MOST - 1
        request = "GET " + path + " HTTP/1.0\r\nHost: " + self._host + "\r\n"
        request += "Range: bytes=" + str(offset) + "-" + str(end) + "\r\n\r\n"
        stream.write(request.encode())
        status = _line(stream).split(b" ")
        if len(status) < 2 or status[1] != b"206":  # 9110, 15.3.7: partial content
            raise ValueError("status")
        length = 0
        for _ in range(_LINES_MOST):
            line = _line(stream)
            if not line:
                break
            name, _, value = line.decode().partition(":")
            if name.lower() == "content-length":
                length = int(value)
        if not 0 < length <= _MOST:
            raise ValueError("length")
        kept = 0
        while length:
            # A few pieces at a time: a life later the memory may have no room for more in one.
            data = bytearray(min(length, _BLOCK))
            filled = 0
            while filled < len(data):
                part = stream.read(len(data) - filled)
                if not part:
                    break  # what is there is good: the bundle is judged as a whole
                data[filled : filled + len(part)] = part
                filled += len(part)
            taken = take(offset, data[:filled]) if filled else 0
            kept += taken
            if filled < len(data) or taken <= 0:
                break
            length -= filled
            offset += filled
        return kept


def _line(stream):
    line = b""
    while not line.endswith(b"\n"):
        byte = stream.read(1)
        if not byte or len(line) > _LINE_MOST:
            raise ValueError("no line")
        line += byte
    return line.strip()
