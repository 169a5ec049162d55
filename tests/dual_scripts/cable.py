"""Frames on a cable on this Python: what is packed, and what a splitter finds in pieces of a stream."""

from wire import cable


def run(data):
    packed = [cable.framed(kind, number, bytes.fromhex(body)) for kind, number, body in data["frames"]]
    splitter = cable.Splitter()
    found = []
    for piece in data["pieces"]:
        found += [[k, n, body.hex()] for k, n, body in splitter.feed(bytes.fromhex(piece))]
    return [[row.hex() for row in packed], found, splitter.bad, len(splitter.waiting)]
