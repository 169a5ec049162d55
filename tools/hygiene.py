"""Checks of the tree itself: no address in a lock, no path of one machine, no secret that looks real.

`python -m tools.hygiene` looks at the files that git tracks (or at all files where there is no git).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

LOCK = re.compile(r"(^tools/locks/.*\.txt|package-lock\.json)$")
ADDRESS = re.compile(r"https?://|--index-url|--extra-index-url|--find-links")
# npm writes where a package's author takes money or publishes; that is no address to install from.
HARMLESS_IN_LOCK = re.compile(r'"(funding|url)":|^\s*#')
_HOME = r"(^|[^A-Za-z0-9_./-])/(home|Users|root)/[A-Za-z0-9_.-]+/"
MACHINE_PATH = re.compile(_HOME + r"|(^|[^A-Za-z0-9_.])/(work|farm)/")
REGISTRY = re.compile(r"(pypi\.org|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com)")
PRIVATE_KEY = re.compile(r"-----BEGIN (EC |RSA |OPENSSH )?PRIVATE KEY-----")
TEXT = {*".py .md .toml .txt .json .html .css .js .po .sh .yml .yaml .csv".split(), ""}


def tracked_files() -> list[Path]:
    """Return the files of the project, without what a build makes."""
    git = shutil.which("git")
    if git is not None:
        listed = [git, "ls-files", "-z"]
        done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout:
            return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    made = {"node_modules", "__pycache__", "vendor", "build", "demo-data", "test-results"}

    def is_ours(path: Path) -> bool:
        parts = path.relative_to(ROOT).parts
        hidden = [part for part in parts if part.startswith(".") and part not in (".ci", ".gitignore")]
        return path.is_file() and not hidden and not made & set(parts)

    return [path for path in ROOT.rglob("*") if is_ours(path)]


def findings(path: Path) -> list[str]:
    """Return what is wrong with one file, as `path:line: sentence`."""
    name = str(path.relative_to(ROOT))
    if path.suffix not in TEXT or name == "tools/hygiene.py":
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []
    found: list[str] = []
    for number, line in enumerate(lines, 1):
        if LOCK.search(name) and ADDRESS.search(line) and not HARMLESS_IN_LOCK.search(line):
            found.append(f"{name}:{number}: a lock names an address: compile it without (sh tools/lock)")
        if REGISTRY.search(line):
            found.append(f"{name}:{number}: names a package registry's host: leave it to the user's set-up")
        if MACHINE_PATH.search(line):
            found.append(f"{name}:{number}: names a path of one machine: use a relative one")
        if PRIVATE_KEY.search(line):
            found.append(f"{name}:{number}: holds a private key: make it when it is needed")
    return found


def main() -> int:
    """Print findings; exit code 1 when there are any."""
    files = tracked_files()
    found = [line for path in files for line in findings(path)]
    print("\n".join([*found, f"hygiene: {len(files)} files, {len(found)} findings"]))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
