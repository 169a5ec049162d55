"""Bus round trips from real MicroPython to small chip models and back."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from simulator.buses import Board, SpiMount
from tests.simulator.bench import Register, run_script

pytestmark = pytest.mark.mpy


def test_i2c_scans_writes_reads_and_reports_a_missing_chip(tmp_path: Path) -> None:
    chip = Register(0x44)
    lines = run_script(
        tmp_path,
        """
import machine
bus = machine.I2C(0, scl=machine.Pin(1), sda=machine.Pin(2))
print(bus.scan())
print(bus.writeto(0x44, b"\\x12\\x34"))
buf = bytearray(3)
bus.readfrom_into(0x44, buf)
print(buf, bus.readfrom(0x44, 2), bus.readfrom_mem(0x44, 0x77, 1))
try:
    bus.writeto(0x45, b"x")
except OSError as e:
    print(e.errno)
""",
        Board(i2c={0: [chip]}),
    )
    assert lines == ["[68]", "3", r"bytearray(b'\x124\x12') b'\x124' b'w'", "19"]


def test_a_chip_that_does_not_acknowledge_raises_enodev(tmp_path: Path) -> None:
    chip = Register()
    chip.refuse = True
    lines = run_script(
        tmp_path,
        "import machine\ntry:\n machine.I2C(0).writeto(0x44, b'x')\nexcept OSError as e:\n print(e.errno)\n",
        Board(i2c={0: [chip]}),
    )
    assert lines == ["19"]


class Complement:
    """An SPI chip: answers the complement of each byte; BUSY is high for 2 ms after each transaction."""

    def __init__(self) -> None:
        self.transactions: list[bytes] = []
        self.resets: list[int] = []
        self._busy_until_us = 0

    def transfer(self, mosi: bytes, now_us: int) -> bytes:
        self.transactions.append(mosi)
        self._busy_until_us = now_us + 2000
        return bytes(b ^ 0xFF for b in mosi)

    def pin(self, name: str, now_us: int) -> int:
        return int(now_us < self._busy_until_us)

    def set_pin(self, name: str, value: int, now_us: int) -> None:
        self.resets.append(value)

    def next_change_us(self, name: str, now_us: int) -> int | None:
        return self._busy_until_us if now_us < self._busy_until_us else None


def test_spi_gives_one_transaction_per_nss_low_and_pins_follow_the_chip(tmp_path: Path) -> None:
    chip = Complement()
    lines = run_script(
        tmp_path,
        """
import machine, time
spi = machine.SPI(1, baudrate=8000000)
nss = machine.Pin(7, machine.Pin.OUT, value=1)
busy = machine.Pin(4, machine.Pin.IN)
reset = machine.Pin(8, machine.Pin.OUT, value=1)
reset(0)
reset(1)
nss(0)
buf = bytearray(b"\\x01\\x02")
spi.write_readinto(buf, buf)
nss(1)
a = time.ticks_us()
high = busy()
while busy():
    time.sleep_us(50)
print(buf, high, 1900 < time.ticks_diff(time.ticks_us(), a) < 2200)
nss(0)
spi.write(b"\\x10")
print(spi.read(2))
nss(1)
nss(0)
spi.write(b"\\x20")
spi.write(b"\\x21")
nss(1)
spi.write(b"to nobody")
""",
        Board(spi={1: [SpiMount(chip, 7, {"busy": 4}, {"reset": 8})]}),
    )
    assert lines == [r"bytearray(b'\xfe\xfd') 1 True", r"b'\xff\xff'"]
    assert chip.transactions == [b"\x01\x02", b"\x10\x00\x00", b"\x20\x21"]
    assert chip.resets == [1, 0, 1]


class Chatter:
    """A UART chip that says a counter byte every 100 ms and keeps what it is told."""

    def __init__(self) -> None:
        self.baudrate = 9600
        self.heard = b""
        self._said: int | None = None

    def host_wrote(self, data: bytes, now_us: int) -> None:
        self.heard += data

    def read_available(self, now_us: int) -> bytes:
        now = now_us // 100_000
        before = now if self._said is None else self._said
        self._said = now
        return bytes(i & 0xFF for i in range(before + 1, now + 1))


def test_uart_waits_up_to_its_timeout_and_drops_what_its_buffer_cannot_hold(tmp_path: Path) -> None:
    chip = Chatter()
    lines = run_script(
        tmp_path,
        """
import machine, time
u = machine.UART(1, baudrate=9600, timeout=1000, rxbuf=16)
a = time.ticks_ms()
four = u.read(4)
print(len(four), 300 <= time.ticks_diff(time.ticks_ms(), a) <= 410, four[3] - four[0] & 255)
time.sleep(10)
print(u.any(), len(u.read()))
u.write(b"hi")
u.init(baudrate=9600, timeout=50)
print(u.read(4))
""",
        Board(uart={1: chip}),
    )
    assert lines == ["4 True 3", "16 16", "None"]
    assert chip.heard == b"hi"


class Volts:
    """1.234567 V."""

    def read_uv(self, now_us: int) -> int:
        return 1_234_567


class Tips:
    """A tip a second."""

    def count(self, now_us: int) -> int:
        return now_us // 1_000_000


def test_adc_and_pulse_counter(tmp_path: Path) -> None:
    lines = run_script(
        tmp_path,
        """
import machine, time
adc = machine.ADC(machine.Pin(1), atten=machine.ADC.ATTN_11DB)
c = machine.Counter(0, machine.Pin(10, machine.Pin.IN, machine.Pin.PULL_UP))
time.sleep(60)
print(adc.read_uv(), adc.read_u16(), c.value(), machine.ADC(2).read_uv() < 200000)
""",
        Board(adc={1: Volts()}, counters={10: Tips()}),
        seconds=100,
    )
    assert lines == [f"1234567 {1_234_567 * 65535 // 3_300_000} 60 True"]


class Ramp:
    """A microphone whose left sample counts frames; the right slot is -1."""

    def __init__(self) -> None:
        self.n = 0

    def frames(self, n: int, now_us: int) -> bytes:
        words = [w for i in range(self.n, self.n + n) for w in (i << 16, -1)]
        self.n += n
        return struct.pack(f"<{2 * n}i", *words)


def test_i2s_takes_the_time_that_its_frames_take_and_loses_what_the_buffer_cannot_hold(
    tmp_path: Path,
) -> None:
    lines = run_script(
        tmp_path,
        """
import machine, time, struct
i = machine.I2S(0, mode=machine.I2S.RX, bits=32, format=machine.I2S.STEREO, rate=48000, ibuf=48000)
buf = bytearray(4608 * 8)
a = time.ticks_us()
print(i.readinto(buf), time.ticks_diff(time.ticks_us(), a) // 1000, struct.unpack("<iiii", buf[:16]))
a = time.ticks_us()
i.readinto(buf)
print(time.ticks_diff(time.ticks_us(), a) // 1000)
time.sleep(1)
a = time.ticks_us()
i.readinto(buf)
print(time.ticks_diff(time.ticks_us(), a))
time.ticks_us()
n = machine.I2S(0, mode=machine.I2S.RX, bits=32, format=machine.I2S.STEREO, rate=48000, ibuf=48000)
a = time.ticks_us()
n.readinto(memoryview(buf)[:800])
print(time.ticks_diff(time.ticks_us(), a) // 10)
m = machine.I2S(0, mode=machine.I2S.RX, bits=16, format=machine.I2S.MONO, rate=48000, ibuf=48000)
b16 = bytearray(8)
m.readinto(b16)
first = struct.unpack("<hhhh", b16)
print(first[1] - first[0], first[3] - first[0])
""",
        Board(i2s={0: Ramp()}),
    )
    # 4608 frames at 48 kHz are 96 ms; to work on them takes 24 ms, over before the second read begins.
    # After a second the DMA buffers are full: no time passes. 100 frames come with the 256 of a DMA buffer.
    assert lines == ["36864 96 (0, -1, 65536, -1)", "72", "2", "533", "1 3"]
