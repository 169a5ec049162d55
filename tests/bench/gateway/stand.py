"""What dies in the bench of faults: broker, gateway, platform, disk and perhaps a database."""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import subprocess
import time
from multiprocessing import Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

from gateway.datadir import DataDirectory
from tests.bench.gateway import clocks, load, parts
from tests.bench.gateway.disks import Disk
from tests.bench.gateway.messages import fill_registry, first_s
from tests.bench.gateway.sender import Sender
from tests.gateway.postgres_server import Pair, Server

DEVICES = 40
AWAY_S = 8.0
HOURS = 30  # a clock jumps by so many at most
VICTIMS = ("gateway", "broker", "disk", "platform")
OTHERS = ("away", "clock", "readonly", "postgres", "failover")


class Stand:
    """Broker, gateway, platform and perhaps a database on this machine, each of which may die."""

    def __init__(
        self, folder: Path, messages: int, server: Server | Pair | None, *, has_disk: bool = False
    ) -> None:
        """has_disk: the data directory is on a disk of its own, which can fail."""
        self.folder, self.messages, self.server = folder, messages, server
        self.disk = Disk(folder / "disk") if has_disk else None
        self.data = folder / "disk" / "data" if has_disk else folder / "data"
        self.clock = folder / "clock"
        clocks.put(self.clock, 0.0)
        fill_registry(self.data, DEVICES)
        self.shape = (DEVICES, first_s(messages, DEVICES), 0)
        self.book = load.Ledger(messages)
        self.port = parts.free_port()
        self.platform_port = 0
        self.platform: BaseProcess | None = None
        self.start_platform()
        more = f'[data]\ndirectory = "{self.data}"\n'
        more += f'postgres = "{server.url("postgres")}"\n' if server else ""
        self.config = parts.gateway_config(folder, self.port, self.platform_port, data=more)
        self.broker: subprocess.Popen[bytes] | None = None
        self.gateway: subprocess.Popen[bytes] | None = None
        self.starts_s: list[float] = []

    def start_platform(self) -> None:
        ours, theirs = Pipe()
        self.platform = load.start(
            load.platform, self.book.memory.name, self.messages, self.shape, theirs, self.platform_port
        )
        self.platform_port = ours.recv()

    def start_broker(self) -> None:
        self.broker = parts.start_broker(self.folder, self.port, persistence=True)

    def start_gateway(self) -> None:
        command = parts.gateway_command(self.config)
        python, rest = command[0], command[3:]  # behind -m gateway
        command = [python, "-m", "tests.bench.gateway.clocks", str(self.clock), *rest]
        self.gateway, seconds = parts.start_gateway(self.config, command)
        self.starts_s.append(seconds)

    def wait_until_subscribed(self) -> None:
        """Return once the gateway hears the broker, and the broker has its session on the disk.

        By itself Mosquitto writes after some changes only: killed before, it would know nobody to keep for.
        """
        self._wait_until_connected()
        assert self.broker is not None
        kept = self.folder / "mosquitto.db"
        end = time.monotonic() + 30
        while not kept.exists() or b"meetnet-chirpstack" not in kept.read_bytes():
            if time.monotonic() > end:
                raise TimeoutError("the broker wrote down no session")
            self.broker.send_signal(signal.SIGUSR1)
            time.sleep(0.1)

    def _wait_until_connected(self) -> None:
        found = DataDirectory(self.data).read_control()
        assert found is not None
        port, token = found
        end = time.monotonic() + 30
        while time.monotonic() < end:
            answer = httpx.get(
                f"http://127.0.0.1:{port}/status",
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
            )
            if answer.json()["networks"]["chirpstack"]["connected"]:
                return
            time.sleep(0.1)
        raise TimeoutError("the gateway did not subscribe")

    def close(self) -> None:
        for process in (self.gateway, self.broker):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                process.kill()
                process.wait()
        if self.platform is not None:
            self.platform.kill()
            self.platform.join()
        if self.disk is not None:
            self.disk.close()


def hurt(stand: Stand, victim: str, dice: random.Random, sender: Sender) -> None:
    """Let one of them die, or go without disk, for a while."""
    pause_s = dice.uniform(0.0, 0.5)
    if victim == "gateway":
        assert stand.gateway is not None
        stand.gateway.kill()
        stand.gateway.wait()
        time.sleep(pause_s)
        stand.start_gateway()
    elif victim == "broker":
        assert stand.broker is not None
        stand.broker.kill()
        stand.broker.wait()
        sender.broker_died()
        time.sleep(pause_s)
        stand.start_broker()
    elif victim == "disk":  # no file may grow: what a full disk does to whoever writes
        assert stand.gateway is not None
        before = resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
        time.sleep(pause_s + 0.5)
        resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE, before)
    elif victim in ("platform", "away"):
        assert stand.platform is not None
        stand.platform.kill()
        stand.platform.join()
        time.sleep(AWAY_S if victim == "away" else pause_s)
        stand.start_platform()
    elif victim == "clock":
        clocks.put(stand.clock, dice.uniform(-HOURS, HOURS) * 3600)
    elif victim == "readonly":  # whoever runs the computer finds it, checks the disk, and starts again
        assert stand.gateway is not None
        assert stand.disk is not None
        stand.disk.fail()
        time.sleep(pause_s + 0.5)
        stand.gateway.kill()
        stand.gateway.wait()
        stand.disk.unmount()
        stand.disk.mount()
        stand.start_gateway()
    elif victim == "postgres":
        assert stand.server is not None
        stand.server.kill()
        time.sleep(pause_s)
        stand.server.start()
    elif victim == "failover":
        assert isinstance(stand.server, Pair)
        stand.server.fail_over(pause_s)
    else:
        raise SystemExit(f"--victims: {victim!r} is none of {', '.join((*VICTIMS, *OTHERS))}")
