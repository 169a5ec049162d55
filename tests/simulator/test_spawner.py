"""Many node processes at once: orders one way and reports the other never wait for each other."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from simulator.nodeproc import Spawner

pytestmark = [pytest.mark.mpy, pytest.mark.timeout(60)]


async def test_a_street_ends_all_its_nodes_in_one_breath(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = socket.socketpair

    def narrow() -> tuple[socket.socket, socket.socket]:
        both = plain()
        for end in both:  # the least there is: a handful of messages, where hundreds of nodes fill 200 KB
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        return both

    monkeypatch.setattr(socket, "socketpair", narrow)
    faults: list[Exception] = []
    spawner = Spawner(faults.append)
    spawner.start()
    monkeypatch.undo()
    ended: list[int] = []
    all_ended = asyncio.Event()
    nodes: list[int] = []

    def on_exit(code: int) -> None:
        ended.append(code)
        if len(ended) == 40:
            all_ended.set()

    for _ in range(40):
        ours, theirs = socket.socketpair()
        nodes.append(
            spawner.spawn(
                theirs.fileno(), ["micropython", "-c", "while True: pass"], tmp_path, dict(os.environ),
                tmp_path / "log", on_exit,
            )
        )  # fmt: skip
        theirs.close()
        ours.close()
    for _ in range(3):
        for node in nodes:
            spawner.kill(node)  # nothing is read meanwhile
    await asyncio.wait_for(all_ended.wait(), 30)
    assert ended == [-9] * len(nodes) and not faults
    await spawner.stop()
