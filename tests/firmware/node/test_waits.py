"""Waiting while a microphone is read: what must be on time is, and all is read that there is room for."""

from __future__ import annotations

import pytest

from node.attentive import Attentive
from node.waits import Waits

PIECE_US = 32_000


class Clock:
    """MicroPython's time module over a number of microseconds."""

    def __init__(self) -> None:
        self.us = 5

    def ticks_us(self) -> int:
        self.us += 2
        return self.us

    def ticks_ms(self) -> int:
        return self.us // 1000

    def ticks_diff(self, a: int, b: int) -> int:
        return a - b

    def ticks_add(self, a: int, n: int) -> int:
        return a + n

    def sleep_us(self, us: int) -> None:
        self.us += us

    def sleep_ms(self, ms: int) -> None:
        self.us += ms * 1000


class Microphone:
    """Due every 32 ms; a piece takes work_us to read. `late_us` is how late each read was."""

    def __init__(self, clock: Clock, work_us: int) -> None:
        self._clock = clock
        self._due_us = clock.us + PIECE_US
        self.work_us = work_us
        self.late_us: list[int] = []

    def due_in_us(self) -> int:
        return self._due_us - self._clock.us

    def read(self) -> None:
        self.late_us.append(self._clock.us - self._due_us)
        self._due_us += PIECE_US
        self._clock.us += self.work_us


def listening(work_us: int) -> tuple[Waits, Clock, Microphone]:
    clock = Clock()
    waits = Waits(clock)
    microphone = Microphone(clock, work_us)
    waits.listener = microphone
    return waits, clock, microphone


@pytest.mark.parametrize("work_us", [500, 8_000, 16_000])
@pytest.mark.parametrize("ms", [1, 7, 20, 45, 100, 975, 6000])
def test_what_must_be_on_time_is_and_the_microphone_is_read_as_long_as_there_is_room(
    work_us: int, ms: int
) -> None:
    """A radio's wait ends to the microsecond, with at most a piece and its work left unread (of 250 ms)."""
    waits, clock, microphone = listening(work_us)
    waits.sleep_ms(500)  # learns how long a piece takes
    for _ in range(20):
        began = clock.us
        waits.exact.sleep_ms(ms)
        assert 0 <= clock.us - began - ms * 1000 <= 60
        waits.pause_us(1)
    assert max(microphone.late_us) <= PIECE_US + waits.longest_us + ms * 1000 * (ms < 60) + 10_000


def test_a_wait_in_no_hurry_reads_everything_when_it_is_due() -> None:
    waits, clock, microphone = listening(8_000)
    began = clock.us
    for _ in range(50):
        waits.sleep_ms(100)
    assert 5_000_000 <= clock.us - began <= 5_000_000 + 50 * 8_100
    assert len(microphone.late_us) == pytest.approx((clock.us - began) / PIECE_US, abs=1)
    assert max(microphone.late_us) < 1_100


def test_sleep_0_catches_up() -> None:
    waits, clock, microphone = listening(1_000)
    clock.us += 200_000
    waits.sleep_ms(0)
    assert len(microphone.late_us) >= 6
    assert microphone.due_in_us() > 0


def test_news_end_a_sleep_early_once() -> None:
    waits, clock, microphone = listening(1_000)
    plain = microphone.read

    def read() -> None:
        plain()
        waits.wake = len(microphone.late_us) == 3

    microphone.read = read  # type: ignore[method-assign]
    waits.sleep_ms(5000)
    assert clock.us < 4 * PIECE_US
    waits.sleep_ms(5000)
    assert clock.us > 5_000_000


def test_without_a_microphone_both_are_the_clock() -> None:
    clock = Clock()
    waits = Waits(clock)
    waits.sleep_ms(100)
    waits.exact.sleep_ms(100)
    waits.exact.pause_us(50)
    waits.attend()
    assert clock.us == 5 + 200_050


class Poll:
    """select.poll: ready after so many looks, each of which takes its time."""

    def __init__(self, clock: Clock, looks: int) -> None:
        self._clock, self._looks = clock, looks

    def register(self, _stream: object, _mask: int) -> None:
        pass

    def poll(self, ms: int) -> list[int]:
        self._looks -= 1
        if self._looks < 0:
            return [1]
        self._clock.us += ms * 1000
        return []


class Select:
    POLLIN = 1

    def __init__(self, clock: Clock, looks: int) -> None:
        self.poll = lambda: Poll(clock, looks)


class Stream:
    def read(self, n: int) -> bytes:
        return b"x" * n

    def write(self, data: bytes) -> int:
        return len(data)

    def close(self) -> None:
        pass


def test_a_silent_broker_does_not_silence_the_microphone() -> None:
    waits, clock, microphone = listening(1_000)
    assert Attentive(Stream(), Select(clock, 100), waits, 10_000).read(4) == b"xxxx"
    assert len(microphone.late_us) >= 60
    assert max(microphone.late_us) < 25_000
    with pytest.raises(OSError, match="110"):
        Attentive(Stream(), Select(clock, 10_000), waits, 10_000).read(4)
