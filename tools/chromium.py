"""A Chromium for the browser tests and pictures, without a download page: `python -m tools.chromium`.

Uses the system's Chromium (MEETNET_CHROMIUM, or Debian's package) where there is one. Else it unpacks the
one inside the npm package @sparticuz/chromium, with the libraries and fonts that it brings, into
build/chromium: once, about 200 MB. axe-core, the accessibility checker, is put beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from tools.npm import NpmError, Say, install, locked_versions, node_command

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "tests" / "browser"
CACHE = ROOT / "build" / "chromium"
PACKAGE = "@sparticuz/chromium"
SYSTEM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")

# Root in a container has no sandbox to start from; the pages under test are our own. Software drawing.
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--font-render-hinting=none")

DECOMPRESS = """
const {createReadStream, createWriteStream} = require("fs");
const {pipeline} = require("stream");
pipeline(createReadStream(process.argv[1]), require("zlib").createBrotliDecompress(),
  createWriteStream(process.argv[2]),
  (error) => { if (error) { console.error(error.message); process.exit(1); } });
"""

FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <alias><family>sans-serif</family><prefer><family>Open Sans</family></prefer></alias>
  <alias><family>system-ui</family><prefer><family>Open Sans</family></prefer></alias>
</fontconfig>
"""


@dataclass(frozen=True, slots=True)
class Chromium:
    """How to start it: executable, environment, flags."""

    path: Path
    environment: dict[str, str] = field(repr=False)
    flags: tuple[str, ...] = FLAGS


def main() -> int:
    """Run from the command line: make it ready and say where it is."""
    try:
        found = find(lambda line: print(f"chromium: {line}", flush=True))
    except (NpmError, OSError) as error:
        print(f"chromium: {error}", file=sys.stderr)
        return 1
    print(f"chromium: {found.path}")
    return 0


def find(say: Say) -> Chromium:
    """Return a usable Chromium, unpacking it first where needed. Raises NpmError."""
    # Playwright brings a Node of its own that needs libatomic, which a bare Debian lacks: let it use ours.
    os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", node_command()[0][0])
    system = _system()
    folder = prepare(say, with_browser=system is None)
    if system is not None:
        return Chromium(system, dict(os.environ))
    libraries = f"{folder / 'lib'}:{folder}"
    return Chromium(
        folder / "chromium",
        {
            **os.environ,
            "LD_LIBRARY_PATH": libraries,
            "FONTCONFIG_FILE": str(folder / "fonts.conf"),
        },
    )


def axe() -> Path:
    """Return axe-core's script; it is there after `find`."""
    return CACHE / "axe.min.js"


def prepare(say: Say, with_browser: bool) -> Path:
    """Make build/chromium complete; the second time this takes no time. Several may call at once."""
    with _one_at_a_time():
        return _prepare(say, with_browser)


@contextlib.contextmanager
def _one_at_a_time() -> Generator[None]:
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with CACHE.with_suffix(".lock").open("w") as lock:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare(say: Say, with_browser: bool) -> Path:
    stamp = CACHE / "stamp.json"
    wanted = locked_versions(LOCK, optional=with_browser)
    if stamp.exists():
        have = json.loads(stamp.read_text("utf-8"))
        if all(have.get(name) == version for name, version in wanted.items()):
            return CACHE
    if with_browser and (sys.platform != "linux" or platform.machine() != "x86_64"):
        raise NpmError("no Chromium here: install one and name it in MEETNET_CHROMIUM")
    work = ROOT / "build" / "browser"
    modules = install(LOCK, work, say, optional=with_browser)
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    shutil.copyfile(modules / "axe-core" / "axe.min.js", axe())
    if with_browser:
        say("unpacking Chromium (about 200 MB)")
        _unpack(modules / PACKAGE / "bin")
    stamp.write_text(json.dumps(wanted), "utf-8")
    shutil.rmtree(work, ignore_errors=True)
    return CACHE


def _unpack(packed: Path) -> None:
    node, environment = node_command()
    for path in sorted(packed.glob("*.br")):
        out = CACHE / path.stem
        done = subprocess.run(
            [*node, "-e", DECOMPRESS, str(path), str(out)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NpmError(f"{path.name} does not unpack: {done.stderr.strip()}; delete build/ and try again")
        if out.suffix == ".tar":
            with tarfile.open(out) as archive:
                if hasattr(tarfile, "data_filter"):
                    archive.extractall(CACHE, filter="data")
                else:  # Python before 3.11.4; the lock's hash vouches for what is inside
                    archive.extractall(CACHE)  # noqa: S202
            out.unlink()
    (CACHE / "chromium").chmod(0o755)
    conf = FONTS_CONF.format(fonts=CACHE / "fonts", cache=CACHE / "font-cache")
    (CACHE / "fonts.conf").write_text(conf, "utf-8")


def _system() -> Path | None:
    named = os.environ.get("MEETNET_CHROMIUM")
    if named:
        if not os.access(named, os.X_OK):
            raise NpmError(
                f"MEETNET_CHROMIUM names {named}, which cannot be run: name an executable, or unset it"
            )
        return Path(named)
    return next((Path(path) for path in SYSTEM if os.access(path, os.X_OK)), None)


if __name__ == "__main__":
    sys.exit(main())
