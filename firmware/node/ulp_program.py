"""The coprocessor's program, assembled by tools/ulp.py: words in hexadecimal, code then data.

The pin stands in the first word: its bit number in RTC_GPIO_IN_REG, << 23 and << 18.
"""

from wire._compat import const

CODE_WORDS = const(17)
DATA_WORDS = const(4)  # count, state, last, kept
PROGRAMS = {
    "esp32": (
        "2000010972800113d000080d6800080c702000058040001cb0000000d000040d"
        "70200006804000406800040c7220001280400040d000000d720000156800000d"
        "b000000000000000000000010000000100000000"
    ),
    "esp32s3": (
        "2000010974800113d000080d6800098c702000058440001cb0000000d000040d"
        "70200006844000406800058c7420001284400040d000000d740000156800018d"
        "b000000000000000000000010000000100000000"
    ),
}
