"""Make or verify what hardware/ says: `python -m tools.hardware [--check]`.

Writes hardware/generated/<node>/{bom.csv,wiring.yml,wiring.svg,pins.md} and firmware/boards. With --check
nothing is written. Exit codes: 0 all well, 1 a check failed or a file is out of date, 2 the descriptions
cannot be read.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from simulator import hardware
from simulator.nodeproc import SimulatorError
from tools import boards
from tools.hardware import bom, checks, wiring

GENERATED = hardware.ROOT / "generated"


def files(nodes: dict[str, hardware.NodeHardware]) -> dict[Path, str]:
    """Return every generated file of hardware/ with its text."""
    found: dict[Path, str] = {}
    for name, node in nodes.items():
        folder = GENERATED / name
        found[folder / "bom.csv"] = bom.bom(node)
        found[folder / "wiring.yml"] = wiring.wireviz(node)
        found[folder / "wiring.svg"] = wiring.svg(node)
        found[folder / "pins.md"] = wiring.pin_table(node)
    return found


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    check = "--check" in arguments
    try:
        nodes = hardware.nodes()
    except (SimulatorError, tomllib.TOMLDecodeError, KeyError) as error:
        print(f"hardware: {error}", file=sys.stderr)
        return 2
    wrong = [text for node in nodes.values() for text in checks.faults(node)]
    for text in wrong:
        print(f"hardware: {text}", file=sys.stderr)
    expected = files(nodes)
    stale = [path for path, text in expected.items() if not path.exists() or path.read_text("utf-8") != text]
    stray = [path for path in GENERATED.rglob("*") if path.is_file() and path not in expected]
    for path in stale + stray:
        name = path.relative_to(hardware.ROOT.parent)
        if check:
            print(f"hardware: {name} is out of date: run python -m tools.hardware", file=sys.stderr)
        elif path in expected:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(expected[path], encoding="utf-8")
            print(f"hardware: wrote {name}")
        else:
            path.unlink()
            print(f"hardware: removed {name}")
    outdated = boards.main(["--check"] if check else [])
    return 1 if wrong or outdated or (check and (stale or stray)) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
