"""A whole street without a gateway: who lives in it, that it repeats itself, and what its nodes log."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulator.cli import simulate
from simulator.loop import run
from simulator.nodeproc import SimulatorError
from simulator.plan import plan, write_provisioning
from simulator.street import Street, StreetConfig
from tests.simulator.bench import START_US


def test_twelve_nodes_are_four_air_three_noise_three_bin_two_garden_two_of_them_on_wifi() -> None:
    nodes = plan()
    kinds = [n.kind for n in nodes]
    assert {k: kinds.count(k) for k in kinds} == {"air": 4, "noise": 3, "bin": 3, "garden": 2}
    assert sorted(n.kind for n in nodes if n.transport == "mqtt") == ["air", "garden"]
    assert {n.kind for n in plan(4)} == {"air", "noise", "bin", "garden"}


def test_identities_are_unique_and_follow_from_the_seed() -> None:
    nodes = plan(500, seed=3)
    for attribute in ("dev_eui", "site_id", "app_key", "mqtt_password"):
        assert len({getattr(n, attribute) for n in nodes}) == 500
    assert nodes == plan(500, seed=3)
    assert not {n.dev_eui for n in nodes} & {n.dev_eui for n in plan(500, seed=4)}
    # IEEE: bit 1 of the first byte marks a locally administered identifier
    assert all(int(n.dev_eui[:2], 16) & 3 == 2 for n in nodes)


def test_no_repr_shows_a_key() -> None:
    node = plan(1)[0]
    assert node.app_key not in repr(node)
    assert node.mqtt_password not in repr(node)


def test_the_street_lies_in_ghent_and_its_file_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "street.json"
    write_provisioning(path, plan(12))
    assert path.stat().st_mode & 0o077 == 0
    rows = json.loads(path.read_text())["devices"]
    assert len(rows) == 12
    for row in rows:
        site = row["site"]
        assert 51.0 < site["latitude"] < 51.1 and 3.65 < site["longitude"] < 3.8
        assert ("app_key" in row) == (row["transport"] == "lorawan")
        assert ("mqtt_password" in row) == (row["transport"] == "mqtt")
        assert ("bin" in site) == (row["kind"] == "bin")
        assert ("rain_mm_per_tip" in site) == (row["kind"] == "garden")
        assert row["dev_eui"] not in re.sub("[^0-9a-f]", "", site["id"])


@pytest.mark.parametrize("nodes", [0, 5001])
def test_a_street_of_no_size_is_refused(nodes: int) -> None:
    with pytest.raises(SimulatorError, match="nodes"):
        plan(nodes)


def live(folder: Path, seconds: float, nodes: int = 4, seed: int = 1) -> tuple[str, Street]:
    """Run a street without gateway; return a hash of everything that its nodes sent and saw."""
    digest = hashlib.sha256()

    async def main() -> Street:
        street = Street(StreetConfig(folder=folder, nodes=nodes, seed=seed, interval_s=60))
        street.channel.subscribe(
            lambda f: digest.update(f"{f.start_us} {f.freq_hz} {f.sf} {f.payload.hex()}\n".encode())
        )
        async with street:
            await street.run(street.start_us + round(seconds * 1e6))
            for ledger in street.ledgers.values():
                digest.update(repr(list(ledger.seen)).encode())
            for node in street.nodes.values():
                digest.update(f"{node.name} {node.transactions} {node.log_tail(1000)}".encode())
                digest.update((node.folder / "partition-log.bin").read_bytes())
        return street

    street = run(main(), start_us=START_US)
    return digest.hexdigest(), street


@pytest.mark.mpy
def test_the_same_seed_gives_the_same_street_byte_by_byte(tmp_path: Path) -> None:
    first, street = live(tmp_path / "a", 400)
    second, _ = live(tmp_path / "b", 400)
    assert first == second
    assert street.channel.frames_sent > 4  # join requests, at least
    assert live(tmp_path / "c", 400, seed=2)[0] != first


@pytest.mark.mpy
def test_every_node_measures_on_its_interval(tmp_path: Path) -> None:
    _, street = live(tmp_path, 1000)
    asked = {"air": "pm2_5_ug_m3", "noise": "sound_level", "bin": "distance_mm", "garden": "temperature_c"}
    for planned in street.planned:
        acquisitions = street.ledgers[planned.site_id].acquisitions(asked[planned.kind], gap_s=20)
        # one at the start, then one a minute
        assert 16 <= len(acquisitions) <= 19, planned.site_id


@pytest.mark.mpy
def test_meetnet_simulate_ends_by_itself_and_leaves_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path("out")
    arguments = ["--duration", "5m", "--speed", "max", "--nodes", "2", "--out", "out", "--json"]
    done = CliRunner().invoke(simulate, arguments)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["virtual_s"] == 300.0
    assert result["nodes"] == result["boots"] == 2
    assert "sps30 answers" in (out / "proefstraat-01-air" / "log.txt").read_text()
    assert len(json.loads((out / "street.json").read_text())["devices"]) == 2
    assert (out / "events.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gateway", "localhost"], "write host:port"),
        (["--mqtt", "localhost:0"], "write host:port"),
        (["--duration", "soon"], "write 90m, 24h or 7d"),
        (["--speed", "-1"], "write a number above 0, or max"),
        (["--nodes", "0"], "1<=x<=5000"),
    ],
)
def test_wrong_usage_names_the_option_and_the_remedy(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(simulate, arguments)
    assert done.exit_code == 2
    assert words in done.output
    assert arguments[0] in done.output


def test_a_recording_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        simulate, ["--replay", str(tmp_path / "none.csv"), "--out", str(tmp_path / "o")]
    )
    assert done.exit_code == 1
    assert "none.csv cannot be read" in done.output
