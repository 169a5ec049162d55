# `machine` of ports/esp32 on a simulated board: buses and pins lead to chip models in the world.
import utime
from ustruct import pack

from _link import (
    HELLO,
    S,
    ask,
    ask_with,
    payload,
    payload_into,
    pin_levels,
    sleep_until,
    spend,
    tell,
    wait_forever,
    work,
)

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5
PIN_WAKE = 2
EXT0_WAKE = 2
EXT1_WAKE = 3
TIMER_WAKE = 4
TOUCHPAD_WAKE = 5
ULP_WAKE = 6
SLEEP = 2
DEEPSLEEP = 4

_WATCHED = {pin: bit for bit, pin in enumerate(HELLO["watched"])}
_DRIVEN = HELLO["driven"]  # output pins that lead to a chip
_NSS = {int(pin): bus for pin, bus in HELLO["nss"].items()}
_EPOCH_2000_S = 946684800


def _check(status):
    if status:
        raise OSError(status)


def unique_id():
    return bytes.fromhex(HELLO["unique_id"])


def reset_cause():
    return HELLO["reset_cause"]


def wake_reason():
    return HELLO["wake_reason"]


def freq(hz=None):
    if hz is None:
        return S.freq
    S.freq = hz


S.freq = 160000000


def idle():
    sleep_until(S.now + 1000)


def lightsleep(ms=None):
    if ms is None:
        raise NotImplementedError("lightsleep without a duration: no wake source is simulated")
    sleep_until(S.now + ms * 1000)
    for i2s in _receivers:
        i2s._begin()  # the clock of the bus stood still meanwhile


def deepsleep(ms=None):
    if ms is None:
        ms = 0xFFFFFFFF  # no timer: only a pin or power can wake it
    tell(16, 0, 0, None, ms)
    wait_forever()


def reset():
    tell(17, 0, HARD_RESET, None)
    wait_forever()


def soft_reset():
    tell(17, 0, SOFT_RESET, None)
    wait_forever()


def disable_irq():
    return 0


def enable_irq(state):
    pass


def bootloader(timeout=0):
    raise NotImplementedError("no boot loader is simulated")


class Pin:
    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    WAKE_LOW = 4
    WAKE_HIGH = 5
    DRIVE_0 = 0
    DRIVE_1 = 1
    DRIVE_2 = 2
    DRIVE_3 = 3

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=0, hold=None):
        self.id = id.id if isinstance(id, Pin) else id
        self._bit = _WATCHED.get(self.id)
        self._out = _LEVELS.get(self.id)
        self._mode = mode
        self._pull = pull
        if value is not None:
            self.value(value)

    def init(self, mode=-1, pull=-1, *, value=None, drive=0, hold=None):
        if mode != -1:
            self._mode = mode
        if pull != -1:
            self._pull = pull
        if value is not None:
            self.value(value)

    def value(self, x=None):
        if x is None:
            if self._bit is not None:
                return (pin_levels() >> self._bit) & 1
            if self._mode == Pin.OUT:
                return _LEVELS.get(self.id, 0)
            return 1 if self._pull == Pin.PULL_UP else 0
        x = 1 if x else 0
        S.now += 3
        before = _LEVELS.get(self.id)
        _LEVELS[self.id] = x
        bus = _NSS.get(self.id)
        if bus is not None:
            _select(bus, self.id, x)
        elif self.id in _DRIVEN and before != x:
            ask(6, x, self.id, 0, S.now)

    def __call__(self, x=None):
        return self.value(x)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(1 - _LEVELS.get(self.id, 0))

    def mode(self, mode=None):
        if mode is None:
            return self._mode
        self._mode = mode

    def irq(self, handler=None, trigger=3, *, priority=1, wake=None, hard=False):
        # Soft interrupts of the port run between bytecodes; the firmware polls its radio, so a handler
        # that would never be called is an error here, not a silence.
        if handler is not None:
            raise NotImplementedError("Pin.irq is not simulated: poll the pin")

    def __repr__(self):
        return "Pin(%d)" % self.id


_LEVELS = {}


class Signal:
    def __init__(self, pin, invert=False):
        self._pin = pin
        self._invert = invert

    def value(self, x=None):
        if x is None:
            return self._pin.value() ^ self._invert
        self._pin.value(bool(x) ^ self._invert)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)


class I2C:
    def __init__(self, id=0, *, scl=None, sda=None, freq=400000, timeout=50000):
        self._id = id
        self._bit_us = 9000000 // freq + 1  # 8 bits and the acknowledge

    def _took(self, n):
        S.now += 60 + (n + 1) * self._bit_us

    def deinit(self):
        pass

    def scan(self):
        return [a for a in range(8, 120) if not ask_with(2, self._id, a, b"")]

    def writeto(self, addr, buf, stop=True):
        self._took(len(buf))
        _check(ask_with(2, self._id, addr, buf))
        return len(buf) + 1

    def readfrom_into(self, addr, buf, stop=True):
        self._took(len(buf))
        _check(ask(3, self._id, addr, len(buf), S.now))
        payload_into(buf)

    def readfrom(self, addr, n, stop=True):
        buf = bytearray(n)
        self.readfrom_into(addr, buf)
        return bytes(buf)

    def writevto(self, addr, vector, stop=True):
        return self.writeto(addr, b"".join(vector))

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big"))
        self.readfrom_into(addr, buf)

    def readfrom_mem(self, addr, memaddr, n, *, addrsize=8):
        buf = bytearray(n)
        self.readfrom_mem_into(addr, memaddr, buf, addrsize=addrsize)
        return bytes(buf)

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))


SoftI2C = I2C

# One transaction of an SPI chip is what happens between NSS low and NSS high. Writes are kept back
# until the chip has to answer or NSS rises, so that the model sees the whole transaction at once.
_mosi = bytearray(300)
_mosi_n = 0
_selected = {}  # bus -> NSS pin
_answered = False


def _select(bus, nss, level):
    global _mosi_n, _answered
    if level == 0:
        _selected[bus] = nss
        _mosi_n = 0
        _answered = False
    elif _selected.get(bus) == nss:
        if _mosi_n and not _answered:
            _check(ask_with(4, bus, nss, memoryview(_mosi)[:_mosi_n]))
            payload()
        del _selected[bus]
        _mosi_n = 0


class SPI:
    MSB = 0
    LSB = 1
    CONTROLLER = 0

    def __init__(
        self, id, baudrate=1000000, *, polarity=0, phase=0, bits=8, firstbit=0, sck=None, mosi=None, miso=None
    ):
        self._id = id
        self.init(baudrate)

    def init(
        self, baudrate=1000000, *, polarity=0, phase=0, bits=8, firstbit=0, sck=None, mosi=None, miso=None
    ):
        self._rate = baudrate

    def deinit(self):
        pass

    def _keep(self, buf):
        global _mosi_n, _mosi
        end = _mosi_n + len(buf)
        if end > len(_mosi):
            _mosi = _mosi + bytearray(end - len(_mosi))
        _mosi[_mosi_n:end] = buf
        _mosi_n = end
        S.now += 15 + len(buf) * 8000000 // self._rate

    def _exchange(self, out, into):
        global _answered
        nss = _selected.get(self._id)
        at = _mosi_n
        if nss is None:  # nobody listens: MISO floats
            for i in range(len(into)):
                into[i] = 0xFF
            return
        if _answered:
            raise NotImplementedError("two reads in one NSS-low transaction are not simulated")
        self._keep(out)
        _check(ask_with(4, self._id, nss, memoryview(_mosi)[:_mosi_n]))
        _answered = True
        into[:] = payload()[at:]

    def write(self, buf):
        if self._id in _selected:
            self._keep(buf)

    def write_readinto(self, write_buf, read_buf):
        self._exchange(write_buf, read_buf)

    def readinto(self, buf, write=0):
        self._exchange(bytes([write]) * len(buf), buf)

    def read(self, n, write=0):
        buf = bytearray(n)
        self.readinto(buf, write)
        return bytes(buf)


SoftSPI = SPI


class UART:
    def __init__(
        self,
        id,
        baudrate=115200,
        bits=8,
        parity=None,
        stop=1,
        *,
        tx=None,
        rx=None,
        timeout=0,
        timeout_char=0,
        rxbuf=256,
        txbuf=256,
        rts=None,
        cts=None,
        invert=0,
        flow=0,
    ):
        self._id = id
        self._rx = b""
        self._rxbuf = rxbuf
        self.init(baudrate, timeout=timeout)

    def init(
        self,
        baudrate=115200,
        bits=8,
        parity=None,
        stop=1,
        *,
        tx=None,
        rx=None,
        timeout=0,
        timeout_char=0,
        rxbuf=None,
        txbuf=None,
        rts=None,
        cts=None,
        invert=0,
        flow=0,
    ):
        self._baud = baudrate
        self._timeout_us = timeout * 1000
        if rxbuf:
            self._rxbuf = rxbuf
        self._rx = b""
        _check(ask(7, self._id, self._rxbuf, baudrate, S.now))

    def deinit(self):
        pass

    def _fetch(self, n, until):
        # The world looks for n bytes until then; the clock comes back at the last byte or the end of the
        # wait.
        S.now += 5
        _check(ask(9, self._id, n, max(0, until - S.now), S.now))
        if S.n:
            self._rx += payload()

    def any(self):
        self._fetch(0, S.now)
        return len(self._rx)

    def read(self, n=None):
        want = 1 if n is None else n
        if len(self._rx) < want:
            self._fetch(want - len(self._rx), S.now + self._timeout_us)
        if not self._rx:
            return None
        n = len(self._rx) if n is None else n
        data = self._rx[:n]
        self._rx = self._rx[n:]
        return bytes(data)

    def readinto(self, buf, n=None):
        n = len(buf) if n is None else n
        data = self.read(n)
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    def readline(self):
        line = b""
        until = S.now + self._timeout_us
        while True:
            byte = self.read(1)
            if byte is None:
                return line or None
            line += byte
            if byte == b"\n" or S.now > until:
                return line

    def write(self, buf):
        tell(8, self._id, 0, buf)
        S.now += len(buf) * 10000000 // self._baud
        return len(buf)

    def flush(self):
        pass

    def txdone(self):
        return True

    def sendbreak(self):
        pass


class ADC:
    ATTN_0DB = 0
    ATTN_2_5DB = 1
    ATTN_6DB = 2
    ATTN_11DB = 3
    WIDTH_12BIT = 12

    def __init__(self, pin, *, atten=0):
        self._pin = pin.id if isinstance(pin, Pin) else pin

    def init(self, *, atten=0):
        pass

    def atten(self, atten):
        pass

    def width(self, bits):
        pass

    def read_uv(self):
        S.now += 40
        _check(ask(10, 0, self._pin, 0, S.now))
        return S.n

    def read_u16(self):
        return min(65535, self.read_uv() * 65535 // 3300000)

    def read(self):
        return self.read_u16() >> 4


class Counter:
    RISING = 1
    FALLING = 2
    UP = 1
    DOWN = -1

    def __init__(self, id, src=None, **options):
        self._pin = src.id if isinstance(src, Pin) else src
        self._zero = 0
        self._zero = self._raw()

    def init(self, src=None, **options):
        if src is not None:
            self._pin = src.id if isinstance(src, Pin) else src
        self._zero = self._raw()

    def deinit(self):
        pass

    def _raw(self):
        S.now += 10
        _check(ask(11, 0, self._pin, 0, S.now))
        return S.n

    def value(self, value=None):
        raw = self._raw()
        before = raw - self._zero
        if value is not None:
            self._zero = raw - value
        return before


# What a program does with a frame takes time: a quarter of a core at 48 kHz, as all levels with third octaves
# need on an ESP32 (tests/bench/cycles.py).
_FRAME_NS = 5200
_receivers = []


class I2S:
    RX = 1
    TX = 2
    MONO = 0
    STEREO = 1

    def __init__(
        self, id, *, sck=None, ws=None, sd=None, mode=1, bits=32, format=1, rate=48000, ibuf=20000, mck=None
    ):
        if mode != I2S.RX:
            raise NotImplementedError("only I2S.RX is simulated")
        self._id = id
        self._width = bits // 8 * (2 if format == I2S.STEREO else 1)
        self._how = (rate // 100, ibuf * 4 + (2 if bits == 32 else 0) + format)
        self._begin()
        _receivers.append(self)

    def _begin(self):
        _check(ask(12, self._id, self._how[0], self._how[1], S.now))

    def init(self, **options):
        self.__init__(self._id, **options)

    def irq(self, handler):
        raise NotImplementedError("non-blocking I2S is not simulated")

    def readinto(self, buf):
        n = len(buf) // self._width
        if self not in _receivers:
            return 0
        _check(ask(13, self._id, 0, n, S.now))
        payload_into(buf)
        work(n * _FRAME_NS // 1000)
        return n * self._width

    def deinit(self):
        if self in _receivers:
            _receivers.remove(self)


class _Mem32:
    """machine.mem32: RTC memory of the coprocessor, and registers, which only keep what is written."""

    def __getitem__(self, address):
        S.now += 2
        ask(41, 0, 0, address, S.now)
        return S.n

    def __setitem__(self, address, value):
        S.now += 2
        ask_with(42, 0, 0, address.to_bytes(4, "little") + (value & 0xFFFFFFFF).to_bytes(4, "little"))


mem32 = _Mem32()


class RTC:
    def __init__(self, id=0):
        pass

    def memory(self, data=None):
        if data is None:
            return _rtc_memory[0]
        if len(data) > 2048:
            raise ValueError("buffer too long")
        _rtc_memory[0] = bytes(data)
        tell(15, 0, 0, _rtc_memory[0])

    def datetime(self, t=None):
        if t is None:
            spend(2)
            us = S.now + S.rtc
            y, mo, d, h, mi, s, wd, _ = utime.gmtime(us // 1000000)[:8]
            return (y, mo, d, wd, h, mi, s, us % 1000000)
        from time import mktime

        seconds = mktime((t[0], t[1], t[2], t[4], t[5], t[6])) + _EPOCH_2000_S
        S.rtc = seconds * 1000000 + t[7] - S.now
        tell(14, 0, 0, pack("<q", S.rtc))

    def init(self, t):
        self.datetime(t)


_rtc_memory = [bytes.fromhex(HELLO["rtc_memory"])]


class WDT:
    def __init__(self, id=0, timeout=5000):
        if timeout <= 0:
            raise ValueError("invalid WDT timeout")
        S.wdt_us = timeout * 1000
        self.feed()

    def feed(self):
        S.now += 2
        S.wdt_at = S.now + S.wdt_us


class Timer:
    def __init__(self, *args, **options):
        raise NotImplementedError("machine.Timer is not simulated: the node core polls")
