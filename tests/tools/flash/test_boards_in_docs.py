"""The commands of simulator/README.md about boards on a cable, run as they stand there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tools.flash.images import image

pytestmark = [pytest.mark.mpy, pytest.mark.slow, pytest.mark.timeout(300)]
README = ROOT / "simulator" / "README.md"


def commands() -> list[str]:
    """Return the lines of the block under "Boards on a cable", without their remarks."""
    section = README.read_text(encoding="utf-8").split("## Boards on a cable")[1].split("\n## ")[0]
    block = re.search(r"```sh\n(.*?)```", section, re.S)
    assert block is not None
    return [re.sub(r"\s+#.*$", "", line).strip() for line in block[1].splitlines() if line.strip()]


def test_the_commands_about_boards_on_a_cable_do_what_they_say(tmp_path: Path) -> None:
    pytest.importorskip("esptool", reason="esptool is not installed: pip install 'meetnet[flash]'")
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'firmware'}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    first, *rest = commands()
    (tmp_path / "image.bin").write_bytes(image("esp32s3"))
    with (tmp_path / "tray.log").open("wb") as log:
        tray = subprocess.Popen(first.split(), cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(200):
            if (tmp_path / "tray" / "tty1").exists():
                break
            assert tray.poll() is None, (tmp_path / "tray.log").read_text()
            time.sleep(0.1)
        said: dict[str, str] = {}
        for command in rest:
            done = subprocess.run(
                command,
                shell=True,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            said[command.split()[-1]] = done.stdout
    finally:
        tray.send_signal(signal.SIGTERM)
        tray.wait(20)
    assert len(rest) >= 4
    assert "a0:b1:c2:d3:00:00" in said["read-mac"]
    assert "Hash of data verified" in said["image.bin"]
    read_back = (tmp_path / "back.bin").read_bytes()
    assert len(read_back) == 4096 and read_back == (tmp_path / "image.bin").read_bytes()[:4096]
