"""Time on air of a LoRa frame: the one formula for device, network server and radio models.

Semtech SX1261/2 datasheet section 6.1.4, AN1200.13. Explicit header; LDRO from 16 ms symbols on.
"""

from ..errors import WireError


def symbol_us(sf: int, bw_khz: int) -> int:
    """Return the length of one symbol; sf 7..12, bw_khz 125, 250 or 500."""
    if not 7 <= sf <= 12:
        raise WireError("sf", str(sf) + " is outside 7..12")
    if bw_khz not in (125, 250, 500):
        raise WireError("bw_khz", str(bw_khz) + " is not 125, 250 or 500")
    return (1 << sf) * 1000 // bw_khz


def time_on_air_us(
    sf: int, bw_khz: int, length: int, crc: bool = True, preamble: int = 8, coding_rate: int = 1
) -> int:
    """Return microseconds on air of `length` bytes; coding_rate 1..4 for 4/5..4/8, downlinks have no crc."""
    if not 0 <= length <= 255:
        raise WireError("length", str(length) + " is outside 0..255")
    if not 1 <= coding_rate <= 4:
        raise WireError("coding_rate", str(coding_rate) + " is outside 1..4")
    symbol = symbol_us(sf, bw_khz)
    per_block = 4 * (sf - 2 if symbol >= 16000 else sf)
    bits = 8 * length - 4 * sf + 28 + (16 if crc else 0)
    blocks = (bits + per_block - 1) // per_block if bits > 0 else 0
    quarter_symbols = 4 * (preamble + 8 + blocks * (coding_rate + 4)) + 17  # 4.25 symbols of sync
    return quarter_symbols * symbol // 4
