"""Images for a browser's flasher: manifest.json as ESP Web Tools defines it, and the parts that it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulator.hardware import nodes
from tools.flash import application, partitions
from tools.flash.base import BaseImage

# What ESP Web Tools and esptool-js call the chips.
FAMILY = {
    "esp32": "ESP32",
    "esp32s2": "ESP32-S2",
    "esp32s3": "ESP32-S3",
    "esp32c3": "ESP32-C3",
    "esp32c6": "ESP32-C6",
}


def prepare(
    folder: Path,
    image: BaseImage,
    board: str,
    version: str,
    log_kib: int,
    config: dict[str, Any] | None = None,
) -> Path:
    """Write folder/board with everything that a browser puts on such a board; return that folder.

    config None: none is in it, a node takes its own from NVS. Anybody can read one that is in it.
    """
    rows = partitions.with_log(image.rows, log_kib << 10)
    vfs = partitions.named(rows, "vfs")
    files = application.files_for(image.chip.architecture, board, config or {})
    if config is None:
        del files["config.json"]
    segments = [*image.segments(rows), (vfs.offset, application.littlefs(files, vfs.size))]
    target = folder / board
    target.mkdir(parents=True, exist_ok=True)
    for offset, content in segments:
        (target / f"{offset:x}.bin").write_bytes(content)
    known = nodes()
    title = str(known[board].board["name"]) if board in known else board
    parts = [{"path": f"{offset:x}.bin", "offset": offset} for offset, _ in segments]
    manifest = {
        "name": f"{title}, {board.rpartition('_')[2]}",
        "version": f"{version} (MicroPython {image.version})",
        "new_install_prompt_erase": True,
        "builds": [{"chipFamily": FAMILY[image.chip.name], "parts": parts}],
    }
    waiting = target / "manifest.part"
    waiting.write_text(json.dumps(manifest, indent=1), "utf-8")
    waiting.replace(target / "manifest.json")
    return target
