"""Compiles every firmware file that goes on a chip, as it goes there, and prints a size table.

`python -m tools.sizes [--json]`. Architectures: xtensawin (ESP32, ESP32-S3), rv32imc (ESP32-C3/C6).
For rv32imc kernels in viper get the code of `tools.viper_rv32`, all else that of mpy-cross. Kernels for the
unix port (`*_x64.py`) stay at home and are not counted.
A file that a chip's compiler refuses makes the exit code 1. Sizes are bytes of .mpy.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simulator.where import FIRMWARE
from tools import viper_rv32
from tools.subset import firmware_files

ARCHITECTURES = ("xtensawin", "rv32imc")


def compile_file(path: Path, architecture: str, out: Path) -> tuple[int, str]:
    """Compile one file as it goes on the chip; return (bytes of .mpy, "") or (0, what the compiler said)."""
    try:
        out.write_bytes(viper_rv32.compile_firmware(path, architecture))
    except subprocess.CalledProcessError as error:
        return 0, (error.stderr or error.stdout).decode(errors="replace").strip()
    except ValueError as error:
        return 0, str(error)
    return out.stat().st_size, ""


def chip_files() -> list[Path]:
    """Return the files of firmware/ that go on a chip."""
    return [path for path in firmware_files() if not path.stem.endswith("_x64")]


def measure() -> tuple[dict[str, dict[str, int]], list[str]]:
    """Return ({file: {architecture: bytes}}, errors)."""
    sizes: dict[str, dict[str, int]] = {}
    errors: list[str] = []
    jobs = [(path, arch) for path in chip_files() for arch in ARCHITECTURES]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:

        def compile_one(number: int) -> tuple[int, str]:
            path, arch = jobs[number]
            return compile_file(path, arch, Path(folder) / f"{number}.mpy")

        for (path, arch), (size, error) in zip(jobs, pool.map(compile_one, range(len(jobs))), strict=True):
            name = str(path.relative_to(FIRMWARE))
            sizes.setdefault(name, {})[arch] = size
            if error:
                errors.append(f"{name} for {arch}: {error}")
    return sizes, errors


def main(arguments: list[str]) -> int:
    """Print the table, or JSON."""
    sizes, errors = measure()
    total = {arch: sum(row[arch] for row in sizes.values()) for arch in ARCHITECTURES}
    if "--json" in arguments:
        print(json.dumps({"files": sizes, "total": total, "errors": errors}, indent=1))
    else:
        width = max(map(len, sizes), default=10)
        print(f"{'file':{width}} {'xtensawin':>10} {'rv32imc':>10}")
        for name, row in sizes.items():
            print(f"{name:{width}} {row['xtensawin']:>10} {row['rv32imc']:>10}")
        print(f"{'total':{width}} {total['xtensawin']:>10} {total['rv32imc']:>10}")
        print("as it goes on a chip: kernels for rv32imc by tools.viper_rv32; *_x64.py left out")
        for error in errors:
            print(error)
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
