"""A gateway that is killed at any instant: no nonce, no counter twice; no replay; nothing acknowledged lost.

Killed at a random moment of virtual time, or just before or after a random commit. What the dead
process would still have done never leaves it. The air, the devices (liblora) and an attacker who
replays everything he ever heard live on.
"""

from __future__ import annotations

import asyncio
import random

import loramsg
import pytest

from gateway.model import LoraDownlink, Uplink
from simulator.loop import VirtualLoop
from tests.gateway.lns.liblora_device import Device
from tests.gateway.lns.street import Gateways, Sink, Street


class World:
    """What outlives the gateway, and what is asserted of it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.recorded: list[bytes] = []
        self.join_nonces: dict[str, list[int]] = {}
        self.downlinks: dict[tuple[bytes, int], bytes] = {}
        self.delivered: dict[bytes, Uplink] = {}
        self.acknowledged: set[bytes] = set()
        self.sent_payloads = 0
        self.heard: dict[int, bytes] = {}
        self.accepts: dict[bytes, bytes] = {}

    def hear(self, street: Street, phy: bytes) -> None:
        """Let the gateway hear a frame, and remember when by its own counter."""
        timestamp_us = self.rng.randrange(1 << 32)
        self.heard[timestamp_us] = phy
        street.hear(phy, timestamp_us=timestamp_us)

    def sent(self, devices: list[Device], downlink: LoraDownlink) -> None:
        """Take a frame on the air: every JoinNonce above the last, every counter of a session once."""
        phy = downlink.phy
        if phy[0] == 0x20:
            delay_us = 5_000_000 if downlink.frequency_hz < 869_000_000 else 6_000_000
            request = self.heard[(downlink.timestamp_us - delay_us) % (1 << 32)]
            assert self.accepts.setdefault(request, phy) == phy, "a JoinRequest was answered twice"
            for device in devices:
                try:
                    nonce = loramsg.unpack_jacc(device.app_key, phy, device.dev_nonce)["AppNonce"]
                except loramsg.VerifyError:
                    continue
                nonces = self.join_nonces.setdefault(device.dev_eui, [])
                assert not nonces or nonce > nonces[-1] or phy == device.last_accept, "a JoinNonce came twice"
                nonces.append(nonce)
                device.last_accept = phy
                return
            raise AssertionError("a JoinAccept for nobody")
        for device in devices:
            if device.dev_addr == int.from_bytes(phy[1:5], "little", signed=True):
                fcnt = int.from_bytes(phy[6:8], "little")
                first = self.downlinks.setdefault((device.nwk_s_key, fcnt), phy)
                assert first == phy, f"counter {fcnt} was used for two downlinks"

    def deliver(self, uplink: Uplink) -> None:
        known = self.delivered.setdefault(uplink.payload, uplink)
        assert known == uplink, "a replay was accepted as a new uplink"


class MortalGateways(Gateways):
    def __init__(self, world: World, devices: list[Device], street: Street) -> None:
        super().__init__()
        self.world, self.devices, self.street = world, devices, street

    async def transmit(self, downlink: LoraDownlink) -> str | None:
        if self.street.dead:
            await asyncio.Future()
        self.world.sent(self.devices, downlink)
        return await super().transmit(downlink)


class MortalSink(Sink):
    def __init__(self, world: World, street: Street) -> None:
        super().__init__()
        self.world, self.street = world, street

    async def accept(self, uplink: Uplink) -> None:
        await asyncio.sleep(self.world.rng.choice([0, 0, 0.02, 0.5]))
        if self.street.dead:
            await asyncio.Future()
        self.world.deliver(uplink)
        await asyncio.sleep(self.world.rng.choice([0, 0.02]))  # durable, but the answer is still on its way


async def talk(world: World, street: Street, device: Device) -> None:
    rng = world.rng
    while True:
        await asyncio.sleep(rng.uniform(0.2, 4))
        if world.recorded and rng.random() < 0.3:
            world.hear(street, rng.choice(world.recorded))
            await asyncio.sleep(0.5)
        if device.unanswered is None and (not device.accept or rng.random() < 0.15):
            await ask_to_join(world, street, device)
            continue
        if device.unanswered is None:
            world.sent_payloads += 1
            payload = world.sent_payloads.to_bytes(4, "big")
            options = rng.choice([b"", b"\x0d"])
            device.unanswered = payload, device.uplink(payload, confirmed=rng.random() < 0.6, options=options)
        await speak(world, street, device, *device.unanswered)


async def ask_to_join(world: World, street: Street, device: Device) -> None:
    phy = device.join_request()
    world.recorded.append(phy)
    for answer in await exchange(world, street, phy):
        if answer[0] == 0x20 and world.rng.random() < 0.7:
            try:
                device.take_accept(answer)
            except loramsg.VerifyError:
                continue


async def speak(world: World, street: Street, device: Device, payload: bytes, phy: bytes) -> None:
    """Send an uplink, up to three times; one that is not acknowledged goes on in the next life."""
    world.recorded.append(phy)
    for _ in range(world.rng.randint(1, 3)):
        for answer in await exchange(world, street, phy):
            if answer[0] == 0x20 or world.rng.random() < 0.2:
                continue
            try:
                got = device.take(answer)
            except (loramsg.VerifyError, AssertionError):
                continue  # another device's, or RX2's copy of what RX1 gave
            if got.ack and phy[0] == 0x80:
                world.acknowledged.add(payload)
        if payload in world.acknowledged:
            break
        await asyncio.sleep(2)
    device.unanswered = None


async def exchange(world: World, street: Street, phy: bytes) -> list[bytes]:
    before = len(street.gateways.sent)
    world.hear(street, phy)
    await asyncio.sleep(1.2)
    return [downlink.phy for downlink in street.gateways.sent[before:]]


def life(path, world: World, devices: list[Device]) -> None:
    """One life of the gateway, to a violent end."""
    loop = VirtualLoop()
    street = Street(path)
    street.dead = False
    for device in devices:
        street.keys.devices[device.dev_eui] = device.keys
    street.gateways = MortalGateways(world, devices, street)
    street.sink = MortalSink(world, street)
    commits = [0]
    fatal_commit = world.rng.randint(1, 40) if world.rng.random() < 0.7 else None
    late = world.rng.random() < 0.5

    def die() -> None:
        street.dead = True
        loop.stop()

    async def begin() -> None:
        await street.start()
        write = street.store._write

        def mortal_write(statements):
            if street.dead:
                return None
            commits[0] += 1
            if commits[0] != fatal_commit:
                return write(statements)
            street.dead = True
            loop.call_soon_threadsafe(loop.stop)
            return write(statements) if late else None

        street.store._write = mortal_write
        for device in devices:
            loop.create_task(talk(world, street, device))

    loop.run_until_complete(begin())
    end = loop.call_later(world.rng.uniform(0.1, 40), die)
    loop.run_forever()
    end.cancel()
    results = bury(loop)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    street.store._connection.close()
    assert street.counters.get("lns.internal_error") == 0, street.counters.snapshot()
    for result in results:
        if isinstance(result, AssertionError):
            raise result


def bury(loop: VirtualLoop) -> list[object]:
    """Cancel everything, and what the cancelling starts; return how each task ended."""
    results: list[object] = []
    while tasks := asyncio.all_tasks(loop):
        for task in tasks:
            task.cancel()
        results += loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    return results


def last_life(path, world: World, devices: list[Device]) -> None:
    """A quiet start at the end: what was left is handed over."""
    loop = VirtualLoop()
    street = Street(path)
    street.dead = False
    street.sink = MortalSink(world, street)

    async def rest() -> None:
        await street.start()
        await asyncio.sleep(5)
        assert street.server.status()["undelivered"] == 0
        await street.stop()

    loop.run_until_complete(rest())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def play(path, seed: int, lives: int) -> World:
    world = World(seed)
    street = Street(path)
    devices = []
    for number in (1, 2, 3):
        device = street.device(number)
        device.keys = street.keys.devices[device.dev_eui]
        device.last_accept = b""
        device.unanswered = None
        devices.append(device)
    for _ in range(lives):
        life(path, world, devices)
    last_life(path, world, devices)
    lost = world.acknowledged - set(world.delivered)
    assert not lost, f"acknowledged but lost: {lost}"
    return world


@pytest.mark.parametrize("seed", range(10))
def test_kills(tmp_path, seed):
    world = play(tmp_path / "lns.sqlite", seed, 6)
    assert world.delivered and world.join_nonces


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("ten", range(10))
def test_many_kills(tmp_path, ten):
    for seed in range(100 + 10 * ten, 110 + 10 * ten):
        play(tmp_path / f"{seed}.sqlite", seed, 50)
