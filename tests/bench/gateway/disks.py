"""A disk of its own in a file, which fails as disks do: the kernel lets nobody write to it any more.

Needs root, a loop device and mkfs.ext4 (Debian: e2fsprogs).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def is_possible() -> bool:
    """Tell whether this computer lets us make one."""
    return os.geteuid() == 0 and Path("/dev/loop0").exists() and shutil.which("mkfs.ext4") is not None


class Disk:
    """A file system of some MiB, mounted at a folder."""

    def __init__(self, folder: Path, mib: int = 512) -> None:
        """Make and mount it."""
        self.folder = folder
        self._image = folder.with_suffix(".img")
        with self._image.open("wb") as file:
            file.truncate(mib << 20)
        folder.mkdir()
        _run("mkfs.ext4", "-q", str(self._image))
        self.mount()

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def unmount(self) -> None:
        _run("umount", str(self.folder))

    def fail(self) -> None:
        """What ext4 does by itself when the disk errs: from now on EROFS, also for files that are open."""
        _run("mount", "-o", "remount,abort", str(self.folder))

    def close(self) -> None:
        subprocess.run(["umount", str(self.folder)], check=False, capture_output=True)
        self._image.unlink(missing_ok=True)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
