"""Asks a flashed board to test itself, over MicroPython's raw REPL (mpremote)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any, cast

from tools.flash.errors import FlashError

MARK = "meetnet-selftest "
_CODE = "from node import selftest\nselftest.main()\n"
_TIMEOUT_S = 90  # an SCD4x takes five seconds, an SPS30 ten, a microphone ten


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a board found. faults: one sentence for each part that is not well; [] is a pass.

    last_crash: what its last exception said, of whatever life; no fault of the parts.
    """

    version: str
    dev_eui: str
    sensors: tuple[dict[str, Any], ...]
    radio: dict[str, Any]
    faults: tuple[str, ...]
    last_crash: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the names of what was tested."""
        return (*(str(sensor["name"]) for sensor in self.sensors), "radio")


def ask(port: str, tries: int = 5) -> SelfTest:
    """Return what the board at a port found. FlashError `repl` when it does not answer.

    mpremote runs as a program of its own: it prints what it did not expect, and others are at work here.
    """
    command = [sys.executable, "-m", "mpremote", "connect", port, "resume", "exec", _CODE]
    said = ""
    for attempt in range(tries):  # a board that is still starting hears nothing of Ctrl-C: once more, then
        time.sleep(attempt)  # what it says late must not answer the next question
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FlashError("repl", "the self-test does not end: press RESET and try again") from error
        said = (done.stderr + done.stdout).strip()
        if "No module named mpremote" in said:
            raise FlashError("mpremote", "mpremote is not installed: pip install 'meetnet[flash]'")
        if "TransportError" not in said and "could not exec" not in said:
            return judge(done.stdout, done.stderr or done.stdout)
    last = said.splitlines()[-1] if said else "no word"
    raise FlashError(
        "repl", f"the board does not answer after flashing ({last}): press RESET and plug it in again"
    )


def judge(out: str, error_text: str = "") -> SelfTest:
    """Return what a board printed; FlashError `repl` when that is no self-test."""
    line = next((line for line in out.splitlines() if line.startswith(MARK)), None)
    if line is None:
        last = (error_text.strip() or out.strip() or "nothing").splitlines()[-1]
        raise FlashError("repl", f"the board could not run its self-test: it said {last[:160]}")
    try:
        found: dict[str, Any] = json.loads(line[len(MARK) :])
        sensors = cast("list[dict[str, Any]]", found["sensors"])
        radio = cast("dict[str, Any]", found["radio"])
        faults = [
            f"{sensor['name']}: {sensor['text'] or 'no number'}" for sensor in sensors if not sensor["ok"]
        ]
        if not radio["ok"]:
            faults.append(f"radio: {radio['text'] or 'does not start'}")
        # Without Wi-Fi in the list a node waits to be given it: by Improv, at its host's.
        errors = [str(fault) for fault in found["config_errors"]]
        faults += [f"configuration: {fault}" for fault in errors if not fault.startswith("wifi.ssid is")]
        return SelfTest(
            str(found["version"]), str(found["dev_eui"]), tuple(sensors), radio, tuple(faults),
            str(found.get("last_crash", "")),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise FlashError(
            "repl", f"the board's self-test cannot be read ({error!r}): flash it again"
        ) from error
