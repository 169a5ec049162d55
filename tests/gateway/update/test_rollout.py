"""Rolling out to 200 nodes: in stages, halted by the first that goes back, never where somebody said no."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.errors import UpdateError
from gateway.update.bundle import Bundle, Release, build_application
from gateway.update.keys import public_bytes
from gateway.update.rollout import Target, judge, order, share
from tests.gateway.update.fleet import Fleet

KEY = ec.derive_private_key(77, ec.SECP256R1())
PUBLIC = public_bytes(KEY)
DAY_S = 86400


def _bundle(folder: Path, text: str, serial: int = 9) -> Bundle:
    application = folder / f"application-{serial}"
    (application / "node").mkdir(parents=True)
    (application / "node" / "start.py").write_text(text)
    return build_application(application, Release((1, 0, 0), serial), KEY)


@pytest.fixture(autouse=True)
def _verify_by_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred verifications of 20 ms are checked elsewhere; here an independent verifier does them."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import utils

    def verify(key: bytes, digest: bytes, signature: bytes) -> bool:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key)
        pair = utils.encode_dss_signature(
            int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        )
        try:
            point.verify(pair, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        except InvalidSignature:
            return False
        return True

    monkeypatch.setattr("wire.p256.verify", verify)


def test_a_bad_update_offered_to_200_nodes_touches_5_percent_and_all_are_back_within_two_starts(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        fleet = Fleet(tmp_path, 200, PUBLIC)
        bundle = _bundle(tmp_path, "a bug that crashes")
        fleet.book.begin(bundle, list(fleet.nodes), fleet.now_ms, DAY_S, 720)
        await fleet.run(12)
        touched = [node for node in fleet.nodes.values() if node.touched_boot is not None]
        assert 1 <= len(touched) <= 10
        states = [t.state for t in fleet.book.targets(bundle.id).values()]
        assert states.count("waiting") >= 190
        for node in touched:
            assert node.back_boot is not None
            assert node.touched_boot is not None
            assert node.back_boot - (node.touched_boot - 1) <= 2  # one start with it, one back
            assert not node.runs_bad
        assert fleet.on_slot() == 0
        found = fleet.book.rollout(bundle.id)
        assert found is not None
        assert found.state == "halted"
        assert "reverted, crashed" in found.reason
        await fleet.service.close()

    asyncio.run(main())


def test_a_good_update_goes_through_three_stages_and_reaches_all_but_those_who_said_no(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        fleet = Fleet(tmp_path, 60, PUBLIC, refusing=2)  # two refuse at the node
        told_no = list(fleet.nodes)[10]
        fleet.book.refuse(told_no, fleet.now_ms)
        bundle = _bundle(tmp_path, "a good one")
        raining = [dev for dev in order(bundle.id, fleet.nodes) if dev != told_no][-1]
        fleet.events.add(raining)
        fleet.book.begin(bundle, list(fleet.nodes), fleet.now_ms, DAY_S, 720)
        reached: list[int] = []
        for _ in range(8):
            await fleet.run(4)
            reached.append(fleet.on_slot())
        assert reached[0] <= share(59, 5)
        assert share(59, 5) < reached[2] <= share(59, 25)
        assert reached[-1] == 60 - 2 - 1 - 1
        targets = fleet.book.targets(bundle.id)
        assert [targets[dev].state for dev in list(fleet.nodes)[:2]] == ["refused", "refused"]
        assert raining not in list(fleet.nodes)[:2]
        assert targets[next(iter(fleet.nodes))].reason == "owner"
        assert targets[told_no].state == "waiting"
        fleet.events.clear()  # the rain has gone
        await fleet.run(8)
        assert fleet.nodes[raining].slot == "app_a"
        assert fleet.book.state()[0]["state"] == "done"
        await fleet.service.close()

    asyncio.run(main())


def test_what_is_known_survives_the_gateway(tmp_path: Path) -> None:
    async def main() -> None:
        fleet = Fleet(tmp_path, 40, PUBLIC)
        bundle = _bundle(tmp_path, "a good one")
        fleet.book.begin(bundle, list(fleet.nodes), fleet.now_ms, DAY_S, 720)
        await fleet.run(4)
        before = fleet.book.targets(bundle.id)
        assert any(target.state == "kept" for target in before.values())
        await fleet.service.close()
        from gateway.update import UpdateBook

        again = UpdateBook(tmp_path)
        assert again.targets(bundle.id) == before
        assert again.bundle(bundle.id).data == bundle.data
        with pytest.raises(UpdateError, match="still being rolled out"):
            again.begin(_bundle(tmp_path, "another", 10), list(fleet.nodes), 0, DAY_S, 720)
        again.set_state(bundle.id, "halted", "by hand")
        assert again.offered(bundle.id) is None
        again.close()

    asyncio.run(main())


def _targets(count: int, **states: str) -> dict[str, Target]:
    found = {f"d{i}": Target(f"d{i}", heard_ms=1) for i in range(count)}
    return found | {dev: Target(dev, state, heard_ms=10, since_ms=5) for dev, state in states.items()}


def test_the_plan() -> None:
    now = 2 * DAY_S * 1000
    assert [share(n, 5) for n in (0, 1, 19, 20, 39, 200)] == [0, 1, 1, 1, 1, 10]
    targets = _targets(40)
    first = judge("r", targets, 1000)
    assert first.allowed == set(order("r", targets)[:2])
    assert judge("r", targets, 1000).allowed == first.allowed
    assert judge("other", targets, 1000).allowed != first.allowed
    canary = dict.fromkeys(first.allowed, "kept")
    assert judge("r", _targets(40, **canary), 1000).stage == 0  # not a day yet
    assert len(judge("r", _targets(40, **canary), now).allowed) == 10
    one = next(iter(first.allowed))
    for bad in (
        Target(one, "reverted", "crashed"),
        Target(one, "refused", "damaged"),
        Target(one, "kept", well=False),
    ):
        verdict = judge("r", targets | {one: bad}, 1000)
        assert verdict.halt
        assert not verdict.allowed
    harmless = judge("r", targets | {one: Target(one, "refused", "owner")}, 1000)
    assert not harmless.halt
    assert judge("r", _targets(3, d0="kept", d1="kept", d2="kept"), now).done
