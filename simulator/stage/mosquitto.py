"""Mosquitto as a unit of its own between the nodes on Wi-Fi and the gateway: started, killed, started again.

It lives in real time, so a scenario with it is played at a set pace and does not repeat byte by byte.
"""

from __future__ import annotations

import getpass
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from simulator.nodeproc import SimulatorError
from simulator.stage.addresses import nobodys_port

_START_S = 10.0
_CONF = """listener {port} 127.0.0.1
user {user}
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 0
"""


def program() -> str | None:
    """Return the path of mosquitto, None where it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Mosquitto:
    """One broker on a free port of loopback, with its sessions in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Raise SimulatorError where it is not installed."""
        found = program()
        if found is None:
            raise SimulatorError("gateway.broker: mosquitto is not installed: apt install mosquitto")
        self._program, self._folder = found, folder
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.port = nobodys_port()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    def start(self) -> None:
        """Start it and wait until it listens; raise SimulatorError with what it said."""
        if self._process is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        conf, log = self._folder / "mosquitto.conf", self._folder / "mosquitto.log"
        # started by root it becomes another user, who may not write here
        text = _CONF.format(port=self.port, folder=self._folder.resolve(), user=getpass.getuser())
        conf.write_text(text)
        with log.open("ab") as out:
            self._process = subprocess.Popen([self._program, "-c", str(conf)], stdout=out, stderr=out)
        self.starts += 1
        until_s = time.monotonic() + _START_S
        while self._process.poll() is None and time.monotonic() < until_s:
            with socket.socket() as sock:
                if sock.connect_ex(self.address) == 0:
                    return
            time.sleep(0.02)
        raise SimulatorError(f"mosquitto did not start: {log.read_text(errors='replace')[-500:]}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """kill -9, whatever it is at; or another signal."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None
