"""TS004 on this Python: matrix, fragments, what is put together from those that arrived, and messages."""

from wire import fragments
from wire.errors import WireError


def _plain(value):
    if isinstance(value, bytes):
        return value.hex()
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def run(data):
    block = bytes.fromhex(data["block"])
    pieces = fragments.split(block, data["size"])
    coded = [fragments.coded(pieces, n).hex() for n in range(1, len(pieces) + data["redundancy"] + 1)]
    lost = data["lost"]
    have = [None if i in lost else pieces[i] for i in range(len(pieces))]
    sums = [(n, fragments.coded(pieces, n)) for n in data["sums"]]
    found = fragments.solve(len(pieces), data["size"], lambda i: have[i], sums)
    found = None if found is None else [[i, found[i].hex()] for i in sorted(found)]
    messages = []
    for up, payload in data["messages"]:
        try:
            messages.append(_plain(fragments.unpack(bytes.fromhex(payload), up)))
        except WireError as error:
            messages.append(str(error))
    return [coded, found, messages]
