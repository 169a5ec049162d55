"""Ranges and byte order, in one place."""

from ..errors import WireError


def check(field: str, value: int, highest: int) -> int:
    """Raise WireError unless 0 <= value <= highest: packing wraps silently on the chip."""
    if not 0 <= value <= highest:
        raise WireError(field, str(value) + " is outside 0.." + str(highest))
    return value


def check_length(field: str, data: bytes, length: int) -> bytes:
    """Raise WireError unless data has this many bytes."""
    if len(data) != length:
        raise WireError(field, str(len(data)) + " bytes, " + str(length) + " needed")
    return data


def uint_le(value: int, size: int) -> bytes:
    """Return value as `size` bytes, least significant first."""
    return value.to_bytes(size, "little")


def from_le(data: bytes) -> int:
    """Return the unsigned integer of bytes that stand least significant first."""
    return int.from_bytes(data, "little")


def flipped(data: bytes) -> bytes:
    """Return bytes in the other order (slice steps on bytes do not exist on the chip)."""
    return bytes([data[i] for i in range(len(data) - 1, -1, -1)])
