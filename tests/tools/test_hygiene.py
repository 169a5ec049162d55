"""The tree names no registry, no machine's path, no key; a planted one is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import hygiene


def test_the_tree_is_clean() -> None:
    assert [line for path in hygiene.tracked_files() for line in hygiene.findings(path)] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tools/locks/x.txt", "--index-url " + "https" + "://example.org/simple"),
        ("gateway/web/package-lock.json", '"resolved": "' + "https" + '://example.org/a.tgz"'),
        ("a.md", "see https://" + "py" + "pi.org/project/x"),
        ("a.py", "open('/" + "home/somebody/x')"),
        ("a.txt", "-----BEGIN " + "EC PRIVATE KEY-----"),
    ],
)
def test_a_planted_fault_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setattr(hygiene, "ROOT", tmp_path)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert hygiene.findings(path)


def test_a_funding_address_in_a_lock_is_no_address_to_install_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hygiene, "ROOT", tmp_path)
    path = tmp_path / "package-lock.json"
    path.write_text('"funding": { "url": "https://example.org/give" }')
    assert hygiene.findings(path) == []
