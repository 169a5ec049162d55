"""Fetch the page's libraries once: `python -m tools.assets`.

Installs what `gateway/web/package-lock.json` pins, copies the few files that the page loads into
`gateway/web/static/vendor`, and leaves a stamp there (hash of the lock, sha256 of each file), so that a
second run with the same lock is over at once and a damaged file is noticed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

from tools.npm import NpmError, Say, install

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "gateway" / "web"
VENDOR = WEB / "static" / "vendor"

# package -> files that the page loads, and their names in static/vendor
FILES = {
    "esptool-js": {"bundle.js": "esptool.js"},
    "htmx.org": {"dist/htmx.min.js": "htmx.js"},
    "leaflet": {"dist/leaflet.js": "leaflet.js", "dist/leaflet.css": "leaflet.css"},
    "uplot": {"dist/uPlot.iife.min.js": "uplot.js", "dist/uPlot.min.css": "uplot.css"},
}


def main() -> int:
    """Run from the command line."""
    try:
        fetched = build(say=lambda line: print(f"assets: {line}", flush=True))
    except (NpmError, OSError) as error:
        print(f"assets: {error}", file=sys.stderr)
        return 1
    print(f"assets: {'ready' if fetched else 'already there'} in {VENDOR.relative_to(ROOT)}")
    return 0


def build(say: Say, web: Path = WEB, vendor: Path = VENDOR, work: Path | None = None) -> bool:
    """Make static/vendor complete; return False when it already was. Raises NpmError."""
    key = _lock_key(web)
    if _is_complete(vendor, key):
        return False
    work = work or ROOT / "build" / "assets"
    modules = install(web, work, say)
    new = vendor.with_name(vendor.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    sums: dict[str, str] = {}
    for package, files in FILES.items():
        for source, name in files.items():
            content = _without_source_map((modules / package / source).read_bytes())
            (new / name).write_bytes(content)
            sums[name] = hashlib.sha256(content).hexdigest()
    (new / "stamp.json").write_text(json.dumps({"lock": key, "sha256": sums}, indent=1), "utf-8")
    shutil.rmtree(vendor, ignore_errors=True)
    new.rename(vendor)
    shutil.rmtree(work, ignore_errors=True)
    return True


def _lock_key(web: Path) -> str:
    lock = (web / "package-lock.json").read_bytes()
    return hashlib.sha256(lock + json.dumps(FILES, sort_keys=True).encode()).hexdigest()


def _is_complete(vendor: Path, key: str) -> bool:
    try:
        stamp = json.loads((vendor / "stamp.json").read_text("utf-8"))
        return stamp["lock"] == key and all(
            hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest
            for name, digest in stamp["sha256"].items()
        )
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _without_source_map(content: bytes) -> bytes:
    """Drop the reference to a map that is not shipped: developer tools would ask for it in vain."""
    head, mark, _ = content.rpartition(b"//# sourceMappingURL=")
    return head if mark else content


if __name__ == "__main__":
    sys.exit(main())
