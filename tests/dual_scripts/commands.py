"""Configuration commands on this Python: what the node does with each payload, by hand-written vectors."""

from wire import commands
from wire.errors import WireError

_UNPACK = {
    "get": commands.unpack_get,
    "values": commands.unpack_values,
    "set": commands.unpack_set,
    "result": commands.unpack_result,
}


def _plain(value):
    if isinstance(value, bytes):
        return value.hex()
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def run(data):
    out = []
    for name, payload in data["payloads"]:
        try:
            out.append(_plain(_UNPACK[name](bytes.fromhex(payload))))
        except WireError as error:
            out.append(str(error))
    packed = [
        commands.pack_get(0x2A, ["interval_s", "noise_offset_centidb"]),
        commands.pack_values(0x2A, bytes.fromhex("c0ffee01"), [(1, 300), (8, -100)]),
        commands.pack_set(0x2B, 30, [("interval_s", 900), ("noise_offset_centidb", -2000)]),
        commands.pack_result(0x2B, commands.OUT_OF_RANGE, 1, bytes.fromhex("c0ffee01")),
    ]
    return [out, [payload.hex() for payload in packed]]
