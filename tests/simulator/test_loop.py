"""The virtual loop: time stands still while anybody works, and jumps when nobody does."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from simulator.loop import LoopClock, VirtualLoop, run

START_US = 1_790_000_000_000_000


def _loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def test_a_year_of_sleep_takes_no_time_and_is_exact() -> None:
    async def main() -> int:
        await asyncio.sleep(365 * 86400)
        return _loop().now_us()

    began = time.perf_counter()
    assert run(main(), start_us=START_US) == START_US + 365 * 86_400_000_000
    assert time.perf_counter() - began < 5


def test_timers_fire_at_their_microsecond_and_in_order() -> None:
    async def main() -> list[tuple[int, str]]:
        loop, seen = _loop(), []
        for delay_us, name in ((300_001, "c"), (1, "a"), (300_000, "b")):
            loop.call_at_us(START_US + delay_us, lambda n=name: seen.append((loop.now_us() - START_US, n)))
        await asyncio.sleep(1)
        return seen

    assert run(main(), start_us=START_US) == [(1, "a"), (300_000, "b"), (300_001, "c")]


def test_a_leap_is_refused_where_anything_is_to_happen_before() -> None:
    async def main() -> list[bool]:
        loop, found = _loop(), []
        ours, theirs = socket.socketpair()
        loop.add_reader(ours.fileno(), lambda: None)

        def leap(after_us: int) -> None:
            found.append(loop.leap(loop.now_us() + after_us))

        leap(10)  # nothing is due
        later = loop.call_later(0.001, lambda: None)
        leap(2000)  # a timer is
        leap(10)
        later.cancel()
        loop.hold()
        leap(20)  # somebody works
        loop.release()
        with loop.patience(5):
            leap(30)  # somebody outside may answer
        loop.call_soon(lambda: None)
        leap(40)  # a callback waits
        await asyncio.sleep(0)
        theirs.send(b"x")
        leap(50)  # something can be read
        loop.remove_reader(ours.fileno())
        ours.close()
        theirs.close()
        assert loop.now_us() == START_US + 20
        return found

    assert run(main(), start_us=START_US) == [True, False, True, False, False, False, False]


def test_time_stands_still_while_an_executor_works() -> None:
    async def main() -> tuple[int, int]:
        loop = _loop()
        fired: list[int] = []
        loop.call_later(0.001, lambda: fired.append(1))
        before = loop.now_us()
        await loop.run_in_executor(None, time.sleep, 0.05)
        return loop.now_us() - before, len(fired)

    assert run(main()) == (0, 0)


def test_jobs_end_in_the_order_in_which_they_were_begun() -> None:
    """Which thread is faster must not show: a seed is to give the same run."""

    async def main() -> list[str]:
        loop, ended = _loop(), []

        async def work(name: str, real_s: float) -> None:
            await loop.run_in_executor(None, time.sleep, real_s)
            ended.append(name)

        await asyncio.gather(work("slow", 0.1), work("fast", 0.0), work("middle", 0.05))
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)
        return ended

    assert run(main()) == ["slow", "fast", "middle"]


def test_a_job_that_waits_for_a_later_one_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.loop._ALONE_S", 0.2)

    async def main() -> str:
        loop = _loop()

        async def inner() -> str:
            return await loop.run_in_executor(None, lambda: "inner")

        def outer() -> str:
            return asyncio.run_coroutine_threadsafe(inner(), loop).result(20)

        return await loop.run_in_executor(None, outer)

    assert run(main()) == "inner"


def test_time_stands_still_while_somebody_holds_it() -> None:
    async def main() -> int:
        loop = _loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        loop.hold()
        worker = loop.run_in_executor(None, lambda: (time.sleep(0.05), theirs.send(b"x")))
        timer = asyncio.create_task(asyncio.sleep(0.001))
        await loop.sock_recv(ours, 1)
        held_us = loop.now_us()
        loop.release()
        await timer
        await worker
        ours.close()
        theirs.close()
        return held_us

    assert run(main()) == 0


def test_loopback_traffic_takes_no_virtual_time() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    async def main() -> int:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        asyncio.get_running_loop().call_later(0.000_001, lambda: None)
        for _ in range(50):
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
        passed_us = _loop().now_us()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return passed_us

    assert run(main()) <= 1


def test_a_pace_is_kept_and_not_overtaken() -> None:
    async def main() -> float:
        began = time.perf_counter()
        await asyncio.sleep(5)
        return time.perf_counter() - began

    passed = run(main(), speed=50)
    assert 0.1 <= passed < 0.6


def test_an_overloaded_pace_falls_behind_and_skips_nothing() -> None:
    async def main() -> tuple[list[int], float]:
        seen: list[int] = []
        for _ in range(5):
            await asyncio.sleep(1)
            time.sleep(0.02)  # noqa: ASYNC251 - twenty virtual seconds of work at this speed
            seen.append(_loop().now_us() // 1_000_000)
        return seen, _loop().lag_s()

    seen, lag = run(main(), speed=1000)
    assert seen == [1, 2, 3, 4, 5]
    assert lag > 50


def test_patience_waits_for_the_outside_in_real_time() -> None:
    async def main() -> int:
        loop = _loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        timer = asyncio.create_task(asyncio.sleep(1))
        with loop.patience(2.0):
            import threading

            threading.Timer(0.05, theirs.send, (b"x",)).start()
            await loop.sock_recv(ours, 1)
            answered_us = loop.now_us()
        await timer
        ours.close()
        theirs.close()
        return answered_us

    assert run(main()) == 0


def test_the_clock_of_services_is_the_worlds() -> None:
    async def main() -> int:
        await asyncio.sleep(1.5)
        return LoopClock(_loop()).now_ms()

    assert run(main(), start_us=START_US) == START_US // 1000 + 1500


@pytest.mark.parametrize("speed", [0, -1])
def test_a_speed_that_goes_nowhere_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        VirtualLoop(0, speed)


def test_release_without_hold_is_an_error() -> None:
    loop = VirtualLoop()
    with pytest.raises(RuntimeError):
        loop.release()
    loop.close()
