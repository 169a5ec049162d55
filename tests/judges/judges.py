"""Independent implementations that judge the frames of the device: PyPI `liblora` and `pamoja-gateway`, npm
`lora-packet`.

Each is started once and asked many times. A judge returns for each frame what it read, or raises.
`verdicts(frames)` asks everybody who is installed; `agree(frames)` asserts that at least two are and that
each of them reads the same.
"""

from __future__ import annotations

import atexit
import importlib
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import loramsg

from tools.npm import NpmError, install, node_command

HERE = Path(__file__).parent
WORK = Path(__file__).parents[2] / "build" / "judges"


@dataclass(frozen=True)
class Sent:
    """A frame of the device: a JoinRequest (kind "join") or data frame ("data"); all bytes in hex."""

    kind: str
    phy: str
    app_key: str = ""
    nwk: str = ""
    app: str = ""
    fcnt: int = 0


Reading = dict[str, Any]
Judge = Callable[[Sequence[Sent]], list[Reading]]


def _liblora(frame: Sent) -> Reading:
    phy = bytes.fromhex(frame.phy)
    kind = loramsg.sanity_check_frame(phy)
    if frame.kind == "join":
        assert kind == loramsg.FrmType.JREQ
        loramsg.verify_jreq(bytes.fromhex(frame.app_key), phy)
        read = loramsg.unpack_jreq(phy)
        return {
            "mic": True,
            "dev_nonce": read["DevNonce"],
            "dev_eui": f"{int(read['DevEUI']) & (1 << 64) - 1:016x}",
            "join_eui": f"{int(read['JoinEUI']) & (1 << 64) - 1:016x}",
        }
    read = loramsg.unpack_dataframe(phy, frame.fcnt, bytes.fromhex(frame.nwk), bytes.fromhex(frame.app))
    assert read["FCnt"] == frame.fcnt
    return {
        "mic": True,
        "port": read["FPort"],
        "fopts": read["FOpts"].hex(),
        "payload": read["FRMPayload"].hex(),
        "confirmed": kind == loramsg.FrmType.DCUP,
    }


def _pamoja() -> Judge:
    raw = importlib.import_module("pamoja.raw")

    def judge(frame: Sent) -> Reading:
        phy = bytes.fromhex(frame.phy)
        if frame.kind == "join":
            request = raw.lorawan_parse_join_request(phy, bytes.fromhex(frame.app_key))
            return {
                "mic": True,
                "dev_nonce": request.dev_nonce,
                "dev_eui": bytes(request.dev_eui).hex(),
                "join_eui": bytes(request.app_eui).hex(),
            }
        address = int.from_bytes(phy[1:5], "little")
        session = raw.LorawanSession(address, bytes.fromhex(frame.nwk), bytes.fromhex(frame.app))
        read = session.decode(phy, frame.fcnt)
        return {
            "mic": True,
            "port": -1 if read.fport is None else read.fport,
            "fopts": bytes(read.fopts).hex(),
            "payload": bytes(read.payload).hex(),
            "confirmed": read.confirmed,
        }

    return lambda frames: [judge(frame) for frame in frames]


def _lora_packet() -> Judge:
    modules = WORK / "node_modules"
    if not (modules / "lora-packet").exists():
        install(HERE, WORK, lambda _text: None)
    command, environment = node_command()
    script = WORK / "judge.js"
    shutil.copyfile(HERE / "judge.js", script)

    process = subprocess.Popen(
        [*command, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    atexit.register(_end, process)
    assert process.stdin is not None and process.stdout is not None
    ask, answers = process.stdin, process.stdout

    def judge(frames: Sequence[Sent]) -> list[Reading]:
        ask.write(json.dumps([asdict(frame) for frame in frames]) + "\n")
        ask.flush()
        answer = json.loads(answers.readline())
        assert isinstance(answer, list), answer
        return answer

    return judge


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@cache
def judges() -> dict[str, Judge]:
    """Return everybody who can be asked here."""
    found: dict[str, Judge] = {"liblora": lambda frames: [_liblora(frame) for frame in frames]}
    for name, make in (("pamoja", _pamoja), ("lora-packet", _lora_packet)):
        try:
            found[name] = make()
        except (ImportError, NpmError):
            continue
    return found


def verdicts(frames: Sequence[Sent]) -> dict[str, list[Reading]]:
    """Return what each judge read."""
    return {name: judge(frames) for name, judge in judges().items()}


def agree(frames: Sequence[Sent]) -> dict[str, list[Reading]]:
    """Assert that two judges or more accept every frame and read the same; return what they read."""
    assert frames
    read = verdicts(frames)
    assert len(read) >= 2, f"only {list(read)} is installed: add pamoja-gateway, or node for lora-packet"
    for name, readings in read.items():
        for frame, reading, reference in zip(frames, readings, read["liblora"], strict=True):
            assert reading["mic"], f"{name} refuses {frame}"
            assert reading == reference, f"{name} reads {frame} as {reading}, liblora as {reference}"
    return read
