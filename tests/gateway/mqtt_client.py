"""A paho client as a node or a bystander uses one, on a thread of paho's own, with answers to wait for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Client:
    def __init__(self, client_id: str, user: str = "", password: str = "", clean: bool = True) -> None:
        self._loop = asyncio.get_running_loop()
        self.connected: asyncio.Future[str] = self._loop.create_future()
        self.lost = asyncio.Event()
        self.acknowledged: set[int] = set()
        self.messages: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.granted: asyncio.Queue[list[int]] = asyncio.Queue()
        self._news = asyncio.Event()
        self.paho = paho.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=clean)
        self.paho.reconnect_delay_set(0.05, 1)  # who is refused waits so long until it can be closed
        if user:
            self.paho.username_pw_set(user, password)
        self.paho.on_connect = self._on_connect
        self.paho.on_disconnect = lambda *_: self._soon(self.lost.set)
        self.paho.on_publish = lambda _c, _d, mid, *_: self._soon(self._acknowledge, mid)
        self.paho.on_message = lambda _c, _d, m: self._soon(self.messages.put_nowait, (m.topic, m.payload))
        self.paho.on_subscribe = lambda _c, _d, _m, codes, _p: self._soon(
            self.granted.put_nowait, [code.value for code in codes]
        )

    async def connect(self, port: int) -> str:
        """Return the broker's answer."""
        await self._loop.run_in_executor(None, self.paho.connect, "127.0.0.1", port, 30)
        self.paho.loop_start()
        return await asyncio.wait_for(self.connected, 30)

    async def publish(self, topic: str, payload: bytes, qos: int = 1) -> int:
        return self.paho.publish(topic, payload, qos).mid

    async def acknowledgement(self, mid: int, timeout_s: float = 30) -> None:
        async with asyncio.timeout(timeout_s):
            while mid not in self.acknowledged:
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        self.paho.disconnect()
        await self._loop.run_in_executor(None, self.paho.loop_stop)
        self.paho._reset_sockets()  # or its pair of sockets is left to the garbage collector

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        self._soon(lambda: self.connected.done() or self.connected.set_result(str(reason)))

    def _acknowledge(self, mid: int) -> None:
        self.acknowledged.add(mid)
        self._news.set()

    def _soon(self, call: Any, *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # paho's thread outlived the test
            self._loop.call_soon_threadsafe(call, *args)
