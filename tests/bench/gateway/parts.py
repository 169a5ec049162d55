"""The processes of a run: broker, gateway; what they cost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[3]


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for_port(port: int, seconds: float = 20) -> None:
    """Return once something listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, by its own id."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def mosquitto() -> str | None:
    """Return the path of Mosquitto, None where it is not installed (Debian: apt-get install mosquitto)."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def start_broker(folder: Path, port: int, *, persistence: bool = False) -> subprocess.Popen[bytes]:
    """Start Mosquitto with its defaults but for the queue, which would drop. persistence: written at once."""
    path = mosquitto()
    if path is None:
        raise SystemExit("Mosquitto is not installed: apt-get install mosquitto")
    config = folder / "mosquitto.conf"
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "max_queued_messages 0", "log_type error"]
    if os.geteuid() == 0:
        lines.append("user root")  # its own user may not enter every folder
    if persistence:
        lines += ["persistence true", f"persistence_location {folder}/"]
        lines += ["autosave_on_changes true", "autosave_interval 100"]
    config.write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([path, "-c", str(config)])
    wait_for_port(port)
    return process


@contextlib.contextmanager
def a_broker(folder: Path, port: int, *, persistence: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Run Mosquitto."""
    process = start_broker(folder, port, persistence=persistence)
    try:
        yield process
    finally:
        end(process)


def gateway_config(
    folder: Path, broker: int, platform: int, more: str = "", data: str = "", chirpstack: str = ""
) -> Path:
    """Write a configuration: broker and platform. data, chirpstack: other lines of these tables."""
    path = folder / "meetnet.toml"
    data = data or '[data]\ndirectory = "data"\n'
    path.write_text(
        f"{data}[semtech_udp]\nenabled = false\n[broker]\nenabled = false\n"
        f"[web]\nport = 0\n[chirpstack]\nenabled = true\nport = {broker}\n{chirpstack}"
        f'[publish.ngsi_ld]\nurl = "http://127.0.0.1:{platform}"\n{more}'
    )
    return path


def gateway_command(config: Path) -> list[str]:
    """Return the command of a gateway."""
    return [sys.executable, "-m", "gateway", "gateway", "run", "-c", str(config), "--json"]


def start_gateway(config: Path, command: list[str] | None = None) -> tuple[subprocess.Popen[bytes], float]:
    """Start a gateway; return it, and the seconds until it was ready."""
    begin = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'firmware'}"}
    command = command or gateway_command(config)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT)
    assert process.stdout is not None
    told = b""
    while not told.endswith(b"}\n") or told.count(b"{") != told.count(b"}"):
        line = process.stdout.readline()
        assert line, "the gateway did not start"
        told += line
    process.stdout.close()
    assert json.loads(told)["ports"]
    return process, time.perf_counter() - begin


@contextlib.contextmanager
def a_gateway(config: Path) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Run a gateway; yield it and the seconds until it was ready."""
    process, seconds = start_gateway(config)
    try:
        yield process, seconds
    finally:
        end(process)


class Cost:
    """CPU seconds and resident memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._before = self._cpu_s()
        self.peak_bytes = 0

    def _all(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _cpu_s(self) -> float:
        with contextlib.suppress(psutil.Error):
            return sum(sum(p.cpu_times()[:2]) for p in self._all())
        return 0.0

    def again(self) -> Cost:
        """Begin anew, but for the peak of memory."""
        found = Cost(self._process.pid)
        found.peak_bytes = self.peak_bytes
        return found

    def sample(self) -> int:
        """Note the memory now and return it, in bytes."""
        found = 0
        with contextlib.suppress(psutil.Error):
            found = sum(p.memory_info().rss for p in self._all())
        self.peak_bytes = max(self.peak_bytes, found)
        return found

    def cpu_s(self) -> float:
        """Return CPU seconds since the start of the measurement."""
        return self._cpu_s() - self._before
