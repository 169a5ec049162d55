"""Asks a simulated node's own web server, in real time, while its virtual time goes on."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from simulator.node import SimNode
from simulator.world import World


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str


def served(node: SimNode, port: int) -> int:
    """Return the real port behind a port of the node."""
    assert node._life is not None
    return node._life.network.served[port]


async def fetch(world: World, node: SimNode, path: str, form: str | None = None, **headers: str) -> Answer:
    """Return what the node answers to GET, or to POST with a form."""
    head = f"{'POST' if form is not None else 'GET'} {path} HTTP/1.1\r\nHost: 192.168.4.1\r\n"
    head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    if form is not None:
        head += f"Content-Length: {len(form)}\r\n"
    with socket.create_connection(("127.0.0.1", served(node, 80)), 5) as sock:
        sock.sendall((head + "\r\n" + (form or "")).encode())
        sock.setblocking(False)
        data = b""
        for _ in range(4000):
            await world.run_for(0.1)
            try:
                part = sock.recv(65536)
            except BlockingIOError:
                await asyncio.sleep(0)
                continue
            if not part:
                break
            data += part
    top, _, body = data.partition(b"\r\n\r\n")
    lines = top.decode().split("\r\n")
    found = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines[1:]}
    return Answer(int(lines[0].split(" ")[1]), found, body.decode())
