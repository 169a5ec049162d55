"""Sets up what the tests need beside Python packages, runs the guards, then every test.

Called by `sh tools/test`. Guards and tests all run even when one fails; the exit code tells.
What could not be had (a browser, the shared recordings) makes its tests skip with the reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tools import check, setup

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Run everything; further arguments go to pytest."""
    started = time.monotonic()
    missing = setup.main()
    chosen = [a for a in arguments if not a.startswith("-")]
    guards = 0 if chosen else check.main([])
    workers = ["-n", str(min(os.cpu_count() or 1, 4))] if not chosen else []
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", *workers, "-q", *arguments], cwd=ROOT, check=False
    ).returncode
    print(f"\nguards {'passed' if guards == 0 else 'FAILED'}; {round(time.monotonic() - started)} s in all")
    for sentence in missing:
        print(f"left out: {sentence}")
    return guards or tests


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
