"""Improv packets on this Python: what is packed, and what a parser finds in pieces of a stream."""

from wire import improv
from wire.errors import WireError


def run(data):
    packed = [
        improv.rpc(improv.GET_STATE),
        improv.state_packet(improv.PROVISIONED),
        improv.rpc(improv.SEND_WIFI, ("a", "b")),
        improv.error_packet(improv.UNABLE_TO_CONNECT),
        improv.rpc(improv.SCAN),
    ]
    found = []
    parser = improv.Parser()
    for piece in data["pieces"]:
        for kind, body in parser.feed(bytes.fromhex(piece)):
            try:
                call = improv.unpack_call(body) if kind in (improv.RPC, improv.RPC_RESULT) else None
            except WireError as error:
                call = str(error)
            found.append([kind, body.hex(), call])
    return [[row.hex() for row in packed], found, parser.broken, parser.pending]
