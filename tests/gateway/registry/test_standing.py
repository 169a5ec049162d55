"""Who stands where, read row by row, is the same as each device asked for by itself."""

from __future__ import annotations

import random
from pathlib import Path

from gateway.registry import Device, Registry, Site
from gateway.registry.bounded import MOST, Bounded
from gateway.registry.model import NodeAnswer


def test_standing_is_what_each_device_says_by_itself(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    dice = random.Random(8)
    sites = [f"p{n}" for n in range(6)]
    for site_id in sites:
        registry.put_site(Site(site_id, "city", f"Plein {site_id}", "air", 4.7, 52.2, 250, "CC0-1.0"))
    devices = [f"{0x70B3D57ED0000000 + n:016x}" for n in range(40)]
    for dev_eui in devices:
        registry.put_device(Device(dev_eui, "air", "lorawan", "0" * 16))
        at_ms = 0
        for _ in range(dice.randrange(4)):
            at_ms += dice.randrange(1, 50)
            if dice.random() < 0.3 and registry.undeploy(dev_eui, at_ms):
                at_ms += dice.randrange(1, 20)
            known = registry.deployments(dev_eui)
            elsewhere = [one for one in sites if not known or one != known[-1].site_id]
            registry.deploy(dev_eui, dice.choice(elsewhere), at_ms)
    registry.put_node_answer(NodeAnswer(devices[3], 5, 1, "kept", "", "ab", {"interval_s": 600}))
    told = {"interval_s": 300, "batch": 12}  # records that share a frame
    registry.put_node_answer(NodeAnswer(devices[4], 5, 1, "kept", "", "ab", told))
    for at_ms in (0, 20, 60, 100, 1000):
        found = {one.dev_eui: one for part in registry.standing(at_ms) for one in part}
        assert list(found) == sorted(found)
        for dev_eui in devices:
            site = registry.site_of(dev_eui, at_ms)
            assert (dev_eui in found) == (site is not None)
            if site is None:
                continue
            one = found[dev_eui]
            began = max(d.from_ms for d in registry.deployments(dev_eui) if d.from_ms <= at_ms)
            assert (one.site_id, one.site_name, one.since_ms) == (site.id, site.name, began)
            assert one.speaks_s == {devices[3]: 600, devices[4]: 3600}.get(dev_eui)
    registry.close()


def test_what_is_bounded_holds_the_newest() -> None:
    kept: Bounded[int, int] = Bounded()
    for n in range(3 * MOST + 5):
        kept[n] = n
        assert len(kept) <= MOST and kept[n] == n
