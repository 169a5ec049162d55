"""Records to payload bytes and back. The first byte of a payload is the codec version.

Adding a version is a module with `encode(records, limit)` and `decode(payload)` and its row here;
nodes in the field keep their version, so rows are never removed.
"""

from ..errors import WireError
from . import v1

CURRENT = v1.VERSION
_VERSIONS = {v1.VERSION: v1}


def encode(records, limit, version=CURRENT):
    """Return (payload, n): the first n records packed in at most `limit` bytes.

    As many whole records as fit, in the order given, possibly 0 when even the first does not fit.
    A record that breaks the format ends the frame before it; as first record it raises WireError.
    """
    codec = _VERSIONS.get(version)
    if codec is None:
        raise WireError("version", "no codec " + str(version))
    return codec.encode(records, limit)


def decode(payload):
    """Return the records of a payload (bytes), oldest first as sent; raise WireError for anything else."""
    if not payload:
        raise WireError("length", "empty payload")
    codec = _VERSIONS.get(payload[0])
    if codec is None:
        raise WireError("version", "unknown codec version " + str(payload[0]))
    return codec.decode(payload)
