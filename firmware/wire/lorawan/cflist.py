"""The CFList of a JoinAccept: extra channels (type 0), or channel masks (type 1)."""

from .._compat import const
from ..errors import WireError
from .fields import check_length, from_le, uint_le

FREQUENCIES = const(0)
MASKS = const(1)
_STEP_HZ = const(100)


def pack_frequencies(freqs_hz: list[int] | tuple[int, ...]) -> bytes:
    """Return the 16 bytes of a type 0 list of at most five channels; 0 leaves an index unused."""
    if len(freqs_hz) > 5:
        raise WireError("cflist", "holds at most five channels")
    out = b""
    for freq in freqs_hz:
        out += pack_freq(freq)
    return out + bytes(15 - len(out)) + bytes([FREQUENCIES])


def pack_masks(masks: list[int] | tuple[int, ...]) -> bytes:
    """Return the 16 bytes of a type 1 list of at most six 16-bit channel masks."""
    if len(masks) > 6:
        raise WireError("cflist", "holds at most six masks")
    out = b""
    for mask in masks:
        if not 0 <= mask <= 0xFFFF:
            raise WireError("cflist", "a mask has 16 bits")
        out += uint_le(mask, 2)
    return out + bytes(15 - len(out)) + bytes([MASKS])


def unpack(cflist: bytes) -> tuple[int, list[int]]:
    """Return (FREQUENCIES, [five of hertz, 0 = unused]) or (MASKS, [six masks]), else WireError."""
    check_length("cflist", cflist, 16)
    if cflist[15] == FREQUENCIES:
        return FREQUENCIES, [unpack_freq(cflist, i) for i in range(0, 15, 3)]
    if cflist[15] == MASKS:
        return MASKS, [from_le(cflist[i : i + 2]) for i in range(0, 12, 2)]
    raise WireError("cflist", "type " + str(cflist[15]) + " is unknown")


def pack_freq(freq_hz: int) -> bytes:
    """Return a frequency as three bytes in steps of 100 Hz."""
    if freq_hz < 0 or freq_hz % _STEP_HZ or freq_hz // _STEP_HZ > 0xFFFFFF:
        raise WireError("frequency", str(freq_hz) + " is not a multiple of 100 Hz in 24 bits")
    return uint_le(freq_hz // _STEP_HZ, 3)


def unpack_freq(data: bytes, start: int) -> int:
    """Return the hertz of three bytes."""
    return from_le(data[start : start + 3]) * _STEP_HZ
