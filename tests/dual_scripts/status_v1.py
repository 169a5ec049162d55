"""The status uplink's vectors on this Python."""

from wire.status import Status, decode_status, encode_status


def run(data):
    out = []
    for case in data["cases"]:
        fields = dict(case["fields"])
        fields["config_hash"] = bytes.fromhex(fields["config_hash"])
        status = Status(*[fields[name] for name in Status.FIELDS])
        back = decode_status(bytes.fromhex("".join([pair[1] for pair in case["bytes"]])))
        values = {name: getattr(back, name) for name in Status.FIELDS}
        values["config_hash"] = back.config_hash.hex()
        values["firmware"] = list(back.firmware)
        out.append([encode_status(status).hex(), values])
    return out
