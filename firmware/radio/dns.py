"""Just enough of DNS (RFC 1035): is anybody answering, and an answer for every name of a set-up network."""

from wire._compat import const

PORT = const(53)
SILENT = const(0)  # nobody answers: no internet
UNKNOWN = const(1)  # somebody does, and the name does not exist
KNOWN = const(2)
_HEAD = const(12)
_ID = b"\x4d\x4e"
_TIMEOUT_S = const(3)


def query(name):
    """Return a question for the address of a name (4.1)."""
    out = _ID + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    for label in name.split("."):
        raw = label.encode()
        if not 0 < len(raw) < 64:
            raise ValueError("name")
        out += bytes([len(raw)]) + raw
    return out + b"\x00\x00\x01\x00\x01"


def verdict(answer):
    """Return what an answer says, None when it is no answer to our question."""
    if len(answer) < _HEAD or answer[:2] != _ID or not answer[2] & 0x80:
        return None
    return KNOWN if not answer[3] & 15 and (answer[6] << 8 | answer[7]) else UNKNOWN


def ask(socket, server, name):
    """Return SILENT, UNKNOWN or KNOWN."""
    try:
        question = query(name)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    except (OSError, ValueError):
        return SILENT
    try:
        sock.settimeout(_TIMEOUT_S)
        sock.sendto(question, (server, PORT))
        found = verdict(sock.recv(512))
        return SILENT if found is None else found
    except OSError:
        return SILENT
    finally:
        sock.close()


def catch_all(question, address):
    """Return the answer that a name has our address (4 bytes), None for what is no question."""
    if len(question) < _HEAD + 5 or question[2] & 0xF8 or question[4:6] != b"\x00\x01":
        return None
    at = _HEAD
    while at < len(question) and question[at]:
        if question[at] > 63:
            return None
        at += question[at] + 1
    end = at + 5
    if end > len(question):
        return None
    answers = 1 if question[at + 1 : end] == b"\x00\x01\x00\x01" else 0  # IPv4: there is nothing else
    out = bytes(question[:2]) + b"\x84\x00\x00\x01" + bytes([0, answers])
    out += bytes(4) + bytes(question[_HEAD:end])
    if answers:
        out += b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x0a\x00\x04" + bytes(address)
    return out
