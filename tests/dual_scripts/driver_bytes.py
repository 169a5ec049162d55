"""Published bytes through the drivers on both Pythons: each case is a chip and the replies on its bus."""

from drivers import (
    a02yyuw,
    battery,
    mb7389,
    pms5003,
    rain_gauge,
    sds011,
    sensirion,
    shdlc,
    sht4x,
    sps30,
    sps30_uart,
)


class Clock:
    """Time that moves only when someone sleeps."""

    def __init__(self):
        self.now = 0

    def ticks_ms(self):
        """Return milliseconds."""
        return self.now

    def ticks_diff(self, a, b):
        """Return a - b."""
        return a - b

    def sleep_ms(self, n):
        """Move the clock."""
        self.now += n


class Replies:
    """An I2C bus that answers each command (hex of all bytes written) with its reply."""

    def __init__(self, replies):
        self.replies = replies
        self.reply = b""
        self.written = []

    def writeto(self, address, buf):
        """Remember the command."""
        code = bytes(buf).hex()
        self.written.append(code)
        self.reply = bytes.fromhex(self.replies.get(code, ""))

    def readfrom_into(self, address, buf):
        """Answer it."""
        if len(self.reply) != len(buf):
            raise OSError(19)
        buf[:] = self.reply


class Line:
    """A UART on which some bytes have just arrived, once the driver has dropped the old ones."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def any(self):
        """Nothing old waits."""
        return 0

    def readinto(self, buf):
        """Give what is left."""
        n = min(len(buf), len(self.data) - self.at)
        if n == 0:
            return None
        buf[:n] = self.data[self.at : self.at + n]
        self.at += n
        return n


class Answers(Line):
    """A UART that answers each request (hex) with its reply."""

    def __init__(self, replies):
        Line.__init__(self, b"")
        self.replies = replies
        self.written = []

    def write(self, data):
        """Take a request."""
        code = bytes(data).hex()
        self.written.append(code)
        self.data = bytes.fromhex(self.replies.get(code, ""))
        self.at = 0


class Fixed:
    """A counter, and an ADC, with one value."""

    def __init__(self, number):
        self.number = number

    def value(self):
        """Return it as a count."""
        return self.number

    def read_uv(self):
        """Return it as microvolts."""
        return self.number


def run(data):
    """Return what the drivers make of the bytes of each of data's lists."""
    clock = Clock()
    out = {"crc": [], "floats": [], "sht4x": [], "sps30": [], "a02yyuw": [], "rain_gauge": [], "battery": []}
    for text in data["a02yyuw"]:
        out["a02yyuw"].append(a02yyuw.A02YYUW(Line(bytes.fromhex(text)), clock, samples=3).fetch())
    out["maxbotix"] = [
        mb7389.MB7389(Line(bytes.fromhex(t)), clock, samples=3).fetch() for t in data["maxbotix"]
    ]
    out["pms"] = []
    out["sds011"] = []
    for chips, name in ((pms5003.PMS5003, "pms"), (sds011.SDS011, "sds011")):
        for text in data[name]:
            line = Answers({})
            driver = chips(line, clock)
            driver.start()
            clock.sleep_ms(driver.settle_ms)
            line.data = bytes.fromhex(text)
            line.at = 0
            out[name].append([driver.fetch(), line.written, getattr(driver, "words", None)])
    out["sps30_uart"] = []
    for read in data["sps30_uart"]:
        line = Answers(data["sps30_uart_common"] | {shdlc.frame(3).hex(): read})
        driver = sps30_uart.SPS30Uart(line, clock)
        driver.start()
        clock.sleep_ms(driver.settle_ms)
        out["sps30_uart"].append([driver.fetch(), driver.numbers, driver.size_nm, line.written])
    for number in data["rain_gauge"]:
        out["rain_gauge"].append(rain_gauge.RainGauge(Fixed(number), clock).fetch())
    for number, over, under in data["battery"]:
        out["battery"].append(battery.Battery(Fixed(number), clock, (over, under)).fetch())
    for text in data["crc"]:
        raw = bytes.fromhex(text)
        out["crc"].append(sensirion.crc8(raw, 0, len(raw)))
    for high, low, scale in data["floats"]:
        out["floats"].append(sensirion.float_to_int(high, low, scale))
    for replies in data["sht4x"]:
        out["sht4x"].append(sht4x.SHT4x(Replies(replies), clock).fetch())
    for replies in data["sps30"]:
        bus = Replies(replies)
        driver = sps30.SPS30(bus, clock)
        driver.start()
        clock.sleep_ms(driver.settle_ms)
        readings = driver.fetch()
        out["sps30"].append([readings, driver.numbers, driver.size_nm, bus.written])
    return out
