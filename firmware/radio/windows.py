"""How long before and how long a receive window opens (LoRaMac-node's formula, minimum six symbols)."""

from wire._compat import const

_MIN_SYMBOLS = const(6)


def window(symbol_us, error_us):
    """Return (offset, length) in microseconds for a clock error; the offset is to the downlink's start."""
    symbols = max(
        _MIN_SYMBOLS, ((2 * _MIN_SYMBOLS - 8) * symbol_us + 2 * error_us + symbol_us - 1) // symbol_us
    )
    return 4 * symbol_us - symbols * symbol_us // 2, symbols * symbol_us
