"""Every guard of the house in one command: `python -m tools.check [--json]`.

A guard that fails does not stop the others; the exit code tells. The slowest begins first, and the others
run beside it where there are processors for that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

GUARDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("types", ("-m", "basedpyright")),
    ("hygiene", ("-m", "tools.hygiene")),
    ("subset", ("-m", "tools.subset")),
    ("ruff", ("-m", "ruff", "check", ".")),
    ("format", ("-m", "ruff", "format", "--check", ".")),
    ("imports", ("-c", "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())")),
    ("chips", ("-m", "tools.sizes")),
)


def run(name: str, arguments: tuple[str, ...], *, show: bool) -> dict[str, object]:
    """Run one guard; print its output when it fails (or when `show`)."""
    start = time.monotonic()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = round(time.monotonic() - start, 1)
    ok = done.returncode == 0
    if show:
        print(f"{'ok  ' if ok else 'FAIL'} {name} ({seconds} s)", flush=True)
        if not ok or name == "chips":
            print(done.stdout + done.stderr, flush=True)
    return {"guard": name, "ok": ok, "seconds": seconds}


def main(arguments: list[str]) -> int:
    """Run all guards, or those named."""
    as_json = "--json" in arguments
    names = {a for a in arguments if not a.startswith("-")}
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 2)) as beside:
        running = [beside.submit(run, n, a, show=not as_json) for n, a in GUARDS if not names or n in names]
        results = [one.result() for one in running]
    if as_json:
        print(json.dumps(results, indent=1))
    return 0 if all(r["ok"] for r in results) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
