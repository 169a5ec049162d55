"""Improv Wi-Fi over a serial port, both ends: packets of improv-wifi.com/serial, version 1.

    "IMPROV" | version 1 | type u8 | length u8 | data | checksum, the sum of all bytes before it | LF

RPC data is command u8 | length u8 | the rest; strings are length u8 | UTF-8. A result is the same with its
command in front. Between packets the line carries a log; `Parser` finds the packets in it.
"""

from ._compat import const
from .errors import WireError

HEADER = b"IMPROV\x01"
CURRENT_STATE = const(1)  # node -> computer
ERROR_STATE = const(2)  # node -> computer
RPC = const(3)  # computer -> node
RPC_RESULT = const(4)  # node -> computer

READY = const(2)
PROVISIONING = const(3)
PROVISIONED = const(4)

NO_ERROR = const(0)
INVALID_PACKET = const(1)
UNKNOWN_COMMAND = const(2)
UNABLE_TO_CONNECT = const(3)
UNKNOWN_ERROR = const(255)

SEND_WIFI = const(1)  # ssid, password
GET_STATE = const(2)
GET_INFO = const(3)  # -> firmware, version, chip, name
SCAN = const(4)  # -> ssid, rssi, "YES"/"NO" each; an empty result ends it
# Not of the standard: why the last attempt failed -> number and name of wire.status.NETWORK_FAILURES.
# Others answer it with UNKNOWN_COMMAND.
GET_CAUSE = const(0xF0)
# Nor are these: who a node is -> DevEUI ("" for a blank board), MAC; and its configuration, for a blank board
# alone: number of the piece from 0, how many there are, piece -> the DevEUI after the last one.
GET_IDENTITY = const(0xF1)
SET_IDENTITY = const(0xF2)
PIECE = const(200)  # bytes of a piece
PIECES_MOST = const(32)

_LENGTH_AT = const(8)
_MOST = const(255)


def packet(kind, data):
    """Return a packet with its line feed; WireError when the data is longer than 255 bytes."""
    if len(data) > _MOST:
        raise WireError("length", str(len(data)) + " bytes do not fit in a packet")
    out = HEADER + bytes([kind, len(data)]) + bytes(data)
    return out + bytes([sum(out) & 255, 10])


def state_packet(state):
    """Return CURRENT_STATE."""
    return packet(CURRENT_STATE, bytes([state]))


def error_packet(error):
    """Return ERROR_STATE."""
    return packet(ERROR_STATE, bytes([error]))


def rpc(command, strings=()):
    """Return an RPC of a command with strings."""
    return packet(RPC, _call(command, strings))


def result_packet(command, strings=()):
    """Return the RPC_RESULT of a command."""
    return packet(RPC_RESULT, _call(command, strings))


def _call(command, strings):
    body = b""
    for string in strings:
        raw = string.encode()
        if len(raw) > _MOST:
            raise WireError("string", "longer than 255 bytes")
        body += bytes([len(raw)]) + raw
    if len(body) > _MOST:
        raise WireError("length", "the strings do not fit in a packet")
    return bytes([command, len(body)]) + body


def unpack_call(data):
    """Return (command, strings) of the data of an RPC or RPC_RESULT; WireError for any other bytes."""
    if len(data) < 2 or data[1] != len(data) - 2:
        raise WireError("length", "no call of the length that it tells")
    strings = []
    at = 2
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            raise WireError("string", "reaches beyond the packet")
        try:
            strings.append(bytes(data[at + 1 : end]).decode())
        except ValueError:  # UnicodeError is one, on both Pythons
            raise WireError("string", "is no UTF-8")
        at = end
    return data[0], strings


class Parser:
    """Finds packets in a stream of bytes. `broken` counts packets whose checksum is wrong."""

    def __init__(self):
        self._buf = bytearray()
        self.broken = 0

    @property
    def pending(self):
        """Tell whether the bytes so far end in what may be the beginning of a packet."""
        return len(self._buf) > 0

    def feed(self, data):
        """Take bytes; return the packets that are complete now: [(type, data)]. Any bytes will do."""
        buf = self._buf
        buf.extend(data)
        found = []
        while True:
            at = buf.find(HEADER)
            if at < 0:
                # Keep the beginning of a header that may go on in the next bytes.
                keep = min(len(buf), len(HEADER) - 1)
                while keep and buf[len(buf) - keep :] != HEADER[:keep]:
                    keep -= 1
                self._buf = buf[len(buf) - keep :]
                return found
            if at:
                buf = buf[at:]
            if len(buf) <= _LENGTH_AT:
                break
            end = _LENGTH_AT + 1 + buf[_LENGTH_AT]
            if len(buf) <= end:
                break
            if sum(buf[:end]) & 255 == buf[end]:
                found.append((buf[_LENGTH_AT - 1], bytes(buf[_LENGTH_AT + 1 : end])))
                buf = buf[end + 1 :]
            else:
                self.broken += 1
                buf = buf[len(HEADER) :]  # what looked like a packet was not: another may begin within
        self._buf = buf
        return found
