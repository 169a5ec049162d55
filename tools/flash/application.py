"""The node's files: the firmware compiled for a chip, in a littlefs with one board and one configuration."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from littlefs import LittleFS, LittleFSError

from simulator import hardware
from simulator.mpycache import cache_folder
from simulator.where import FIRMWARE
from tools import rv32, viper_rv32
from tools.flash.errors import FlashError
from tools.sizes import chip_files

BLOCK = 4096
AS_SOURCE = ("boot.py", "main.py")  # MicroPython runs these two by name, as source
LEFT_OUT = ("_boot.py",)  # belongs into the image; nothing of the file system runs before it
_BLANK = b"\xff" * BLOCK
# Disk format 2.0: read by every littlefs 2, whichever MicroPython brings it.
_DISK_VERSION = 0x00020000


@dataclass(frozen=True, slots=True)
class Node:
    """A board with its sensors. chip: esp32c3. kind: what it measures as, as its kit or name says."""

    chip: str
    kind: str


def nodes() -> dict[str, Node]:
    """Return the boards of firmware/boards; simulated boards stand for an ESP32-S3."""
    known = hardware.nodes()
    found: dict[str, Node] = {}
    for path in sorted((FIRMWARE / "boards").glob("*.py")):
        if path.stem in known:
            node = known[path.stem]
            found[path.stem] = Node(str(node.board["chip"]), node.kit_name.partition("-")[0])
        elif path.stem != "__init__":
            found[path.stem] = Node("esp32s3", path.stem.split("_")[1])
    return found


def boards() -> dict[str, str]:
    """Return {board of firmware/boards: chip it has}."""
    return {name: node.chip for name, node in nodes().items()}


def compiled(architecture: str) -> dict[str, bytes]:
    """Return the firmware as it goes on a chip, every board included: {path on the node: content}."""
    files = [path for path in chip_files() if path.name not in LEFT_OUT]
    stamp = hashlib.sha256(architecture.encode())
    for path in files:
        stamp.update(f"{path.relative_to(FIRMWARE)}\0".encode() + path.read_bytes())
    for tool in (viper_rv32, rv32):
        stamp.update(Path(str(tool.__file__)).read_bytes())
    target = cache_folder().parent / "application" / f"{architecture}-{stamp.hexdigest()[:20]}"
    if not target.exists():
        _compile(files, architecture, target)
    return {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in sorted(target.rglob("*"))
        if path.is_file()
    }


def _compile(files: list[Path], architecture: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent))

    def one(path: Path) -> None:
        name = path.relative_to(FIRMWARE)
        source = str(name) in AS_SOURCE
        out = work / (name if source else name.with_suffix(".mpy"))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(path.read_bytes() if source else viper_rv32.compile_firmware(path, architecture))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, files))
    try:
        work.rename(target)
    except OSError:  # another process was first
        if not target.exists():
            raise


def files_for(architecture: str, board: str, config: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of one node: the application, its board, its configuration."""
    found = compiled(architecture)
    if f"boards/{board}.mpy" not in found:
        raise FlashError("board", f"board {board!r} is none of firmware/boards: {', '.join(boards())}")
    kept = {
        name: content
        for name, content in found.items()
        if not name.startswith("boards/") or name in ("boards/__init__.mpy", f"boards/{board}.mpy")
    }
    kept["config.json"] = json.dumps(config, separators=(",", ":"), sort_keys=True).encode()
    return kept


def littlefs(files: Mapping[str, bytes], size: int) -> bytes:
    """Return a littlefs of `size` bytes, without the blank blocks at its end."""
    # A small file system that grows to its size keeps its blocks together at the beginning: less to write.
    blocks = sum(-(-len(content) // BLOCK) for content in files.values()) + 64
    fs = LittleFS(
        block_size=BLOCK,
        block_count=min(blocks, size // BLOCK),
        prog_size=32,
        read_size=32,
        disk_version=_DISK_VERSION,
    )
    try:
        for name in sorted(files):
            folder = name.rpartition("/")[0]
            if folder:
                fs.makedirs(folder, exist_ok=True)
            with cast("Any", fs.open(name, "wb")) as file:  # pyright: ignore
                file.write(files[name])
        if blocks < size // BLOCK:
            fs.context.buffer.extend(_BLANK * (size // BLOCK - blocks))
            fs.fs_grow(size // BLOCK)
    except (OSError, LittleFSError) as error:
        raise FlashError(
            "size", f"the application does not fit {size >> 10} KiB: give a smaller --log-kib"
        ) from error
    content = bytes(fs.context.buffer)
    used = len(content) // BLOCK
    while used > 2 and content[(used - 1) * BLOCK : used * BLOCK] == _BLANK:
        used -= 1
    return content[: used * BLOCK]
