"""Where firmware and hardware descriptions are: beside this package in a checkout, in it when installed."""

from __future__ import annotations

from pathlib import Path

SIMULATOR = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    installed = SIMULATOR / "installed" / name
    return installed if installed.is_dir() else SIMULATOR.parent / name


FIRMWARE = _folder("firmware")
HARDWARE = _folder("hardware")
