"""What is kept of agreements is what would be found: through changes, ends by the clock, for many sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.model import PublicSite
from gateway.registry import Registry
from gateway.store import agreements
from gateway.store.agreements import Agreements

from ..house import a_site


def _site(n: int) -> PublicSite:
    return PublicSite(
        f"s{n}", f"Plein {n} é", "air", 4.7 + n / 1000, 52.2 - n / 700, 250, "CC0-1.0", (), None
    )


class _Sites:
    """A register of sites that says how often it was asked."""

    def __init__(self, n: int) -> None:
        self.agreed = {f"s{k}": (_site(k), 1000 * k) for k in range(n) if k % 5}
        self.asked = 0

    def find(self, site_ids: Sequence[str]) -> Mapping[str, tuple[PublicSite, int]]:
        self.asked += len(site_ids)
        return {name: self.agreed[name] for name in site_ids if name in self.agreed}


def test_more_sites_than_are_kept_whole_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreements, "WHOLE", 50)
    sites = _Sites(300)
    kept = Agreements(sites.find, lambda: 1, lambda: 1e9)
    for _ in range(3):
        for at in range(0, 300, 20):
            names = [f"s{k}" for k in range(at, at + 20)]
            assert dict(kept.of(names)) == {
                name: sites.agreed[name] for name in names if name in sites.agreed
            }
    assert sites.asked == 300


def test_a_change_is_seen_at_once_and_an_end_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(agreements.time, "monotonic", lambda: now_s[0])
    sites, version, lasts_s = _Sites(10), [1], [3.0]
    kept = Agreements(sites.find, lambda: version[0], lambda: lasts_s[0])
    assert "s1" in kept.of(["s1"])
    sites.agreed["s1"] = (replace(_site(1), name="Markt"), 7)
    version[0] = 2
    assert kept.of(["s1"])["s1"] == sites.agreed["s1"]
    now_s[0] += agreements.KEPT_S
    assert "s1" in kept.of(["s1"])  # nobody wrote for a while: from now on until the next end
    del sites.agreed["s1"]
    now_s[0] += 2.9
    assert "s1" in kept.of(["s1"])
    now_s[0] += 0.2
    assert "s1" not in kept.of(["s1"])


def test_what_nothing_changed_is_not_looked_up_again_unless_the_clock_was_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s, end_s = [0.0], [1000.0]
    monkeypatch.setattr(agreements.time, "monotonic", lambda: now_s[0])
    sites = _Sites(10)
    kept = Agreements(sites.find, lambda: 1, lambda: end_s[0] - now_s[0])
    for _ in range(3):  # until the register has been still for a while
        kept.of(["s1"])
        now_s[0] += 2 * agreements.KEPT_S
    asked = sites.asked
    while now_s[0] < 990:
        kept.of(["s1"])
        now_s[0] += 30
    assert sites.asked == asked
    now_s[0] = 1001.0  # an agreement began or ended
    kept.of(["s1"])
    assert sites.asked == asked + 1
    end_s[0] = 9000.0
    for _ in range(4):
        now_s[0] += agreements.LONGEST_S
        kept.of(["s1"])
    asked = sites.asked
    end_s[0] -= 600.0  # the clock was set
    now_s[0] += agreements.LONGEST_S
    kept.of(["s1"])
    assert sites.asked == asked + 1


def test_the_register_tells_when_the_next_consent_begins_or_ends(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for name in ("a", "b", "c"):
        registry.put_site(a_site(name, "air"))
    registry.consent("a", from_ms=0)
    assert registry.next_agreement("public", 0) == 2**62
    registry.consent("b", from_ms=5000)
    registry.consent("c", "other", from_ms=3000)
    assert registry.next_agreement("public", 0) == 5000
    assert registry.next_agreement("public", 5000) == 2**62
    registry.withdraw("a", "public", 9000)
    assert registry.next_agreement("public", 5000) == 9000
    assert registry.next_agreement("other", 0) == 3000
    assert registry.next_agreement("nobody", 0) == 2**62
    registry.close()
