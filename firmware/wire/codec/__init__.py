"""Records to payload bytes and back. The first byte of a payload tells the codec version.

    0x01        version 1: simple packing, driven by the measurement table
    0x40..0x7F  a protected frame with another inside (wire.codec.parity); the gateway opens it before
    0x80..0xFF  version 2: entropy coded with trained profiles (the byte also holds the profile)

Adding a version is a module with `encode` and `decode` and its lines here; nodes in the field keep their
version, so versions are never removed. Version 2 is only loaded where it is used: a chip has little memory.
"""

from ..errors import WireError
from . import v1

PLAIN = v1.VERSION
SMALL = 2
CURRENT = v1.VERSION  # what is coded when nobody says


def encode(records, limit, version=CURRENT, now_s=None):
    """Return (payload, n): the first n records packed in at most `limit` bytes.

    As many whole records as fit, in the order given, possibly 0 when even the first does not fit.
    A record that breaks the format ends the frame before it; as first record it raises WireError.
    now_s: the node's own UTC, when the frame goes out at once on a way that stamps its reception; version 2
    then leaves away what the receiver knows of the time. Without it every frame carries its whole time.
    """
    if version == PLAIN:
        return v1.encode(records, limit)
    if version == SMALL:
        from . import v2

        return v2.encode(records, limit, now_s)
    raise WireError("version", "no codec " + str(version))


def decode(payload, received_at_s=None):
    """Return the records of a payload (bytes), oldest first as sent; raise WireError for anything else.

    received_at_s: when the payload was received (UTC seconds); frames that left away what this tells need it.
    """
    if not payload:
        raise WireError("length", "empty payload")
    if payload[0] == PLAIN:
        return v1.decode(payload)
    if payload[0] >= 0x80:
        from . import v2

        return v2.decode(payload, received_at_s)
    raise WireError("version", "unknown codec version " + str(payload[0]))
