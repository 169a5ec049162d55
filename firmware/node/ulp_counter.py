"""Contacts counted by the ultra-low-power coprocessor, which goes on while the chip sleeps, deeply too.

The program is tools/ulp.py's. It lives in RTC memory with its counter: after deep sleep, a reset or the
watchdog it is found there, running, and left alone; after a power cut it is loaded anew and begins at 0.
Addresses are those of the technical reference manuals (RTC IO, low-power management).
"""

from wire._compat import const

from .ulp_program import CODE_WORDS, DATA_WORDS, PROGRAMS

_RTC_MEMORY = const(0x50000000)
_PERIOD_US = const(10000)
_KEPT = const(0x4D4E)
_HEADER = (
    b"ulp\x00\x0c\x00"  # magic, where the code begins; then the sizes of code, data and bss (16 bits each)
)

# RTC_IO registers of pads: pin -> (register, channel, bits of MUX_SEL, FUN_IE, RUE, RDE)
_ESP32 = const(0x3FF48400)
_S3 = const(0x60008400)
_ESP32_TOUCH = {4: 0, 0: 1, 2: 2, 15: 3, 13: 4, 12: 5, 14: 6, 27: 7}
_S3_CLOCK = const(0x60008904)  # SENS_SAR_PERI_CLK_GATE_CONF_REG, bit 31: RTC IO multiplexer


def pad(chip, pin):
    """Return (register, channel, MUX_SEL, FUN_IE, RUE, RDE) of a pin; ValueError where there is none."""
    if chip == "esp32s3":
        if 0 <= pin <= 14:
            return (_S3 + 0x84 + 4 * pin, pin, 19, 13, 27, 28)
    elif chip == "esp32":
        if pin == 32:
            return (_ESP32 + 0x8C, 9, 17, 5, 22, 23)
        if pin == 33:
            return (_ESP32 + 0x8C, 8, 18, 11, 27, 28)
        if pin in _ESP32_TOUCH:
            touch = _ESP32_TOUCH[pin]
            return (_ESP32 + 0x94 + 4 * touch, 10 + touch, 19, 13, 27, 28)
    raise ValueError("ulp: " + chip + " has no RTC pin " + str(pin) + " with a pull-up that this knows")


def program(chip, pin):
    """Return the words of the program with the pin in its place."""
    text = PROGRAMS[chip]
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    bit = pad(chip, pin)[1] + (10 if chip == "esp32s3" else 14)  # RTC_GPIO_IN_NEXT
    words[0] |= bit << 23 | bit << 18
    return words


class UlpCounter:
    """A counter for drivers.rain_gauge and drivers.passage: value() -> counts, 16 bits.

    ulp: esp32.ULP(). memory: machine.mem32. wake_on_ulp: esp32.wake_on_ulp or None; it keeps the RTC's
    peripherals powered in deep sleep.
    """

    wraps_at = 65536

    def __init__(self, chip, pin, ulp, memory, wake_on_ulp=None):
        self._pad = pad(chip, pin)
        self._chip = chip
        self._words = program(chip, pin)
        self._ulp = ulp
        self._memory = memory
        self.loaded = False  # whether this life had to load the program
        self._connect()
        if wake_on_ulp is not None:
            wake_on_ulp(True)
        if not self._there():
            self._load()

    def _connect(self):
        """Give the pin to the RTC, as an input with pull-up."""
        register, _channel, mux, enable, up, down = self._pad
        if self._chip == "esp32s3":
            self._memory[_S3_CLOCK] |= 1 << 31
        bits = self._memory[register] & ~(1 << down)
        self._memory[register] = bits | 1 << mux | 1 << enable | 1 << up

    def _there(self):
        """Tell whether the program is in memory, word for word."""
        for i in range(CODE_WORDS):
            if self._memory[_RTC_MEMORY + 4 * i] & 0xFFFFFFFF != self._words[i]:
                return False
        return True

    def _load(self):
        sizes = (4 * CODE_WORDS, 4 * DATA_WORDS, 0)
        binary = _HEADER + b"".join([size.to_bytes(2, "little") for size in sizes])
        binary += b"".join([word.to_bytes(4, "little") for word in self._words])
        self._ulp.set_wakeup_period(0, _PERIOD_US)
        self._ulp.load_binary(0, binary)
        self._ulp.run(0)
        self.loaded = True

    def keep(self, number):
        """Keep 16 bits beside the counter: they live exactly as long as it does."""
        self._memory[_RTC_MEMORY + 4 * (CODE_WORDS + DATA_WORDS - 1)] = _KEPT << 16 | number

    def kept(self):
        """Return them, or None."""
        word = self._memory[_RTC_MEMORY + 4 * (CODE_WORDS + DATA_WORDS - 1)]
        return word & 0xFFFF if word >> 16 & 0xFFFF == _KEPT else None

    def value(self):
        """Return the count; a program that was overwritten is loaded anew and begins at 0."""
        if not self._there():
            self._connect()
            self._load()
        return self._memory[_RTC_MEMORY + 4 * CODE_WORDS] & 0xFFFF
