"""Bench mode: many boards at once with the real esptool and mpremote; 150 rows and runs that are killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.claims import ClaimBook
from gateway.cli import main
from gateway.provision.benchbook import BenchBook
from gateway.provision.minting import dev_eui_of
from gateway.registry import Registry
from simulator.usb.console import files_of
from tests.tools.flash.images import image
from tests.tools.flash.tray import HEADER, a_list, a_row, a_tray, without_climate
from tools.flash import rows
from tools.flash.bench import Bench, Event
from tools.flash.errors import FlashError
from tools.flash.journal import Journal
from tools.flash.register import Registrar
from tools.flash.steps import Printer, RealHands
from tools.flash.store import ImageStore


@pytest.fixture
def chirpstack() -> Any:
    pytest.importorskip("chirpstack_api", reason="chirpstack-api is not installed")
    from tests.gateway.provision import test_chirpstack

    yield from test_chirpstack.serving()


pytestmark = pytest.mark.timeout(400)  # a busy machine starts programs slowly


@pytest.fixture(autouse=True)
def kept_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of base images of the test's own; what is compiled stays shared."""
    monkeypatch.setattr("tools.flash.store.folder", lambda: tmp_path / "images")
    path = tmp_path / "base.bin"
    path.write_bytes(image("esp32s3"))
    ImageStore().add(path)


def meetnet(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def events_of(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]


def keys_of(data: Path) -> dict[str, bytes]:
    registry = Registry(data)
    try:
        found = {device.dev_eui: registry.device_keys(device.dev_eui) for device in registry.devices()}
    finally:
        registry.close()
    return {dev_eui: keys.app_key for dev_eui, keys in found.items() if keys is not None}


def everything_in(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("good", [2, pytest.param(6, marks=pytest.mark.nightly)])
def test_boards_at_once_and_two_are_red(tmp_path: Path, good: int) -> None:
    """The good ones; one with a sensor that was soldered badly; one that nobody asked for."""
    listed = a_list(tmp_path / "rows.csv", good + 1)
    data, out = tmp_path / "data", tmp_path / "out"
    with a_tray(tmp_path / "tray") as tray:
        for number in range(good):
            tray.plug(f"tty{number}", number)
        tray.plug("ttybad", 6, hardware=without_climate)
        tray.plug("ttyother", 7, chip="esp32c3")
        words = ["flash", "--bench", listed, "--data", data, "--port", tray.pattern, "-o", out, "--once"]
        settings = tmp_path / "meetnet.toml"
        settings.write_text(f'[updates]\npublic_key = "{"0f" * 64}"\n')
        words += ["--config", settings]
        words += ["--json", "--address", "https://meetnet.example", "--format", "png", "--format", "svg"]
        result = meetnet(*words)
        flashes = {name: board.flash for name, board in tray.boards.items()}
    assert result.exit_code == 4, result.output
    events = events_of(result)
    last = {event["port"].rpartition("/")[2]: event for event in events if "port" in event}
    green = {name for name, event in last.items() if event["step"] == "green"}
    assert green == {f"tty{n}" for n in range(good)}, [event.get("reason") for event in last.values()]
    assert last["ttybad"]["code"] == "test" and "sht4x" in last["ttybad"]["reason"]
    assert last["ttyother"]["code"] == "no_row" and "put this board aside" in last["ttyother"]["reason"]
    assert events[-1] == {"done": good, "left": 1, "red": 2}
    # The page of the bench sees the same.
    shown = BenchBook(data)
    (run,) = shown.runs()
    assert (run.name, run.total, run.done) == ("rows.csv", good + 1, good) and run.ended_ms is not None
    ended = {one.port.rpartition("/")[2]: one for one in shown.tries(run.id)}
    assert {name for name, one in ended.items() if one.step == "green"} == green
    assert ended["ttybad"].reason == last["ttybad"]["reason"]
    assert all({"sht4x", "radio"} <= set(ended[name].tested) for name in green), ended
    shown.close()
    # Each board has its own identity and key, and the registry has the same.
    known = keys_of(data)
    assert len(known) == len(set(known.values())) == good
    for name in (f"tty{number}" for number in range(good)):
        config = json.loads(files_of(flashes[name])["config.json"])
        assert bytes.fromhex(config["app_key"]) == known[config["dev_eui"]]
        assert last[name]["dev_eui"] == config["dev_eui"]
        assert config["update_key"] == "0f" * 64  # it will take signed updates
    labels = sorted(path.name for path in (out / "labels").iterdir())
    assert len(labels) == 2 * good and len(list((out / "cards").glob("*.png"))) == good
    # No key in what was printed, written down or drawn; a claim code on the cards alone.
    told = result.output.encode() + everything_in(out) + (tmp_path / "rows.journal").read_bytes()
    told += b"".join(path.read_bytes() for path in data.glob("bench.db*"))
    for key in known.values():
        assert key.hex().encode() not in told.lower()
    codes = re.findall(
        r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}", everything_in(out / "cards").decode(errors="ignore")
    )
    assert len(set(codes)) == good
    book = ClaimBook(data / "claims.db")
    assert {book.look(code, 0).dev_eui for code in codes} == set(known)
    book.close()
    for code in codes:
        assert code.replace("-", "") not in result.output
        assert code.replace("-", "").encode() not in everything_in(out / "labels")


def test_the_next_board_goes_into_the_same_port_and_a_done_one_is_known(tmp_path: Path) -> None:
    """Ports of which one is plugged, unplugged and plugged again; the hands that write are NoBoards."""
    seen: list[Event] = []
    there: list[str] = []
    hands = NoBoards()
    todo = rows.read(a_list(tmp_path / "rows.csv", 2))
    bench, close = a_bench(todo, tmp_path, seen.append, lambda: ["tty0"] if there else [], hands)
    thread = threading.Thread(target=bench.run)
    thread.start()

    def ends() -> list[Event]:
        return [event for event in seen if event.step in ("green", "red", "already")]

    try:
        for number, mac in enumerate(("a0b1c2d30001", "a0b1c2d30001", "a0b1c2d30002")):  # once by mistake
            hands.mac = mac
            there.append(mac)
            wait_for(lambda count=number: len(ends()) > count)
            there.clear()
            time.sleep(0.8)  # somebody takes the next one out of the box
        thread.join(20)
        assert not thread.is_alive()  # the list is done
    finally:
        bench.stop.set()
        thread.join()
        close()
    assert [(event.step, event.row) for event in ends()] == [
        ("green", "r1"),
        ("already", "r1"),
        ("green", "r2"),
    ]


def wait_for(condition: Callable[..., bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it never came")


def a_bench(
    todo: list[rows.Row],
    folder: Path,
    on_event: Callable[[Event], None],
    ports: Callable[[], list[str]],
    hands: Any = None,
) -> tuple[Bench, Callable[[], None]]:
    journal = Journal(folder / "rows.journal")
    registrar = Registrar(folder / "data")
    printer = Printer(folder / "out", ("svg",), "https://meetnet.example")
    newest = ImageStore().newest_for
    bench = Bench(todo, journal, newest, hands or RealHands(), registrar, printer, ports, on_event)

    def close() -> None:
        journal.close()
        registrar.close()

    return bench, close


# -- 150 rows, without waiting for 150 boards: hands that write nothing, everything else as it is

_RUN = """
import sys
from pathlib import Path
from tests.tools.flash.test_bench import run_without_boards
run_without_boards(Path(sys.argv[1]), int(sys.argv[2]))
"""


class NoBoards:
    """Hands over a table without boards: a port's name is its MAC, and each does what it should."""

    def __init__(self) -> None:
        self.written: dict[str, str] = {}
        self.mac: str | None = None

    def look(self, port: str) -> Any:
        from tools.flash.chips import CHIPS
        from tools.flash.esp import Found

        return Found(CHIPS["esp32s3"], self.mac or port.rpartition("-")[2], 4 << 20)

    def write(self, port: str, image: Any, row: Any, config: dict[str, Any], tell: Any) -> None:
        self.written[port] = config["dev_eui"]

    def test(self, port: str) -> Any:
        from tools.flash.selftest import SelfTest

        return SelfTest("0.1.0", self.written[port], (), {"ok": True}, ())


def test_a_device_is_registered_with_chirpstack_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chirpstack: Any
) -> None:
    """Against the server that answers as chirpstack/src/api/device.rs, on the official messages."""
    monkeypatch.setattr("tools.flash.cli.RealHands", lambda _log_kib: NoBoards())
    monkeypatch.setattr("tools.flash.cli.ports.present", lambda _named: ["tty-a0b1c2d30001"])
    (tmp_path / "token").write_text("a token\n")
    words = ["flash", "--board", "sim_garden", "--data", tmp_path / "data", "-o", tmp_path / "out"]
    words += ["--format", "svg"]
    for cell in ("kind=garden", "transport=lorawan", "site_id=tuin-1", "longitude=4.9", "latitude=52.3"):
        words += ["--set", cell]
    words += ["--server", chirpstack.address, "--application", "app", "--device-profile", "profile"]
    words += ["--token-file", tmp_path / "token"]
    result = meetnet(*words)
    assert result.exit_code == 0, result.output
    ((dev_eui, key),) = keys_of(tmp_path / "data").items()
    device = chirpstack.devices[dev_eui]
    assert (device.name, device.application_id, device.device_profile_id) == ("tuin-1", "app", "profile")
    assert chirpstack.keys[dev_eui].nwk_key == key.hex()
    # Flashed again, its key is another: ChirpStack hears of it.
    result = meetnet(*words, "--again")
    assert result.exit_code == 0, result.output
    assert chirpstack.keys[dev_eui].nwk_key == keys_of(tmp_path / "data")[dev_eui].hex()
    # A server that is gone makes the board red with the reason; the key is in no output.
    chirpstack.fails_after = 0
    result = meetnet(*words, "--again")
    assert result.exit_code == 4
    assert "UNAVAILABLE" in result.output
    assert keys_of(tmp_path / "data")[dev_eui].hex() not in result.output


def test_nodes_on_wifi_learn_whom_to_trust(tmp_path: Path) -> None:
    row = rows.read(a_list(tmp_path / "rows.csv", 1))[0]
    broker = {"mqtt.port": 8883, "mqtt.tls": True, "mqtt.ca": "QUJD"}
    found = rows.with_trust(row, {"update_key": "0f" * 64}, lambda: broker).settings
    assert dict(found) == {"update_key": "0f" * 64, **row.settings}
    wifi = replace(row, transport="mqtt", settings={"mqtt.host": "gateway", "mqtt.port": 9883})
    config = rows.config_of(rows.with_trust(wifi, {}, lambda: broker), "0" * 15 + "1", None, "long enough")
    assert config["mqtt"] == {
        "host": "gateway", "port": 9883, "tls": True, "ca": "QUJD", "password": "long enough",
    }  # fmt: skip
    own = replace(wifi, settings={"mqtt.host": "elsewhere", "mqtt.tls": False})
    assert dict(rows.with_trust(own, {}, lambda: broker).settings) == own.settings


def run_without_boards(folder: Path, count: int) -> None:
    """A whole run over a list; the boards come in any order, each in a port of its own."""
    base = image("esp32s3")
    from tools.flash import base as base_images

    parsed = base_images.parse(base)
    macs = [f"tty-a0b1c2d3{number:04x}" for number in range(count)]
    journal = Journal(folder / "rows.journal")
    registrar = Registrar(folder / "data")
    printer = Printer(folder / "out", ("svg",), "https://meetnet.example")
    waiting = list(macs)

    def ports() -> list[str]:
        nonlocal waiting
        there, waiting = waiting[:8], waiting[8:]
        return there

    bench = Bench(
        rows.read(folder / "rows.csv"), journal, lambda chip: parsed, NoBoards(), registrar, printer, ports,
        lambda event: None if event.step != "green" else print(event.row, flush=True),
    )  # fmt: skip
    import tools.flash.bench

    tools.flash.bench.LOOK_S = 0.001
    while bench.left() and waiting:
        bench.run(once=True)
        bench.stop.clear()
    journal.close()
    registrar.close()


def test_150_rows_killed_again_and_again_are_each_done_once(tmp_path: Path) -> None:
    a_list(tmp_path / "rows.csv", 150)
    told: list[str] = []
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'firmware'}"}
    kills = 0
    for patience in (25, 50, 40, 1000):
        with subprocess.Popen(
            [sys.executable, "-c", _RUN, str(tmp_path), "150"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=root,
        ) as running:
            assert running.stdout is not None
            for number, line in enumerate(running.stdout):
                told.append(line.strip())
                if number == patience:
                    running.send_signal(signal.SIGKILL)
                    kills += 1
                    break
    assert kills == 3
    assert len(told) == len(set(told))  # nobody was told twice that a row is done
    journal = Journal(tmp_path / "rows.journal")
    states = [journal.state(f"r{number}") for number in range(1, 151)]
    journal.close()
    assert [state.event for state in states] == ["done"] * 150
    assert len({state.mac for state in states}) == len({state.dev_eui for state in states}) == 150
    known = keys_of(tmp_path / "data")
    assert sorted(known) == sorted(str(state.dev_eui) for state in states)
    registry = Registry(tmp_path / "data")
    try:
        assert all(len(registry.deployments(dev_eui)) == 1 for dev_eui in known)
        assert len({registry.deployments(dev_eui)[0].site_id for dev_eui in known}) == 150
    finally:
        registry.close()
    assert len(list((tmp_path / "out" / "labels").glob("*.svg"))) == 150
    assert not list(tmp_path.rglob("*.part"))


def test_a_journal_outlives_a_torn_line_and_owns_up_to_damage(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    journal.add("r1", "assigned", mac="a" * 12, dev_eui="b" * 16)
    journal.add("r1", "done")
    journal.add("r2", "assigned", mac="c" * 12, dev_eui="d" * 16)
    with pytest.raises(FlashError, match="in use by another run"):
        Journal(path)
    journal.close()
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        again = Journal(path)
        lines = whole[:cut].count(b"\n")
        assert again.state("r1").event == ("", "assigned", "done", "done")[lines]
        again.add("r3", "assigned", mac="e" * 12, dev_eui="f" * 16)
        again.close()
        reader = Journal(path)
        assert reader.row_of("e" * 12) == "r3"
        reader.close()
    damaged = bytearray(whole)
    damaged[40] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(FlashError, match="line 1 is damaged"):
        Journal(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"board": "t9"}, "line 3: board: 't9' is none of"),
        ({"dev_eui": "70b3"}, "line 3: dev_eui: '70b3' is not an EUI"),
        ({"longitude": "4,9"}, "line 3: the row has not as many fields as the header (13, not 12)"),
        ({"longitude": "east"}, "line 3: longitude: 'east' is not a number"),
        ({"kind": "weather"}, "line 3: kind: 'weather'"),
        ({"transport": "wifi"}, "line 3: transport: 'wifi'"),
        ({"transport": "mqtt"}, "line 3: mqtt.host: missing"),
        ({"language": "de"}, "line 3: language: 'de'"),
        ({"row": "r1"}, "line 3: name r1 is on line 2 too"),
        ({"dev_eui": "70b3d57ed0000001"}, "line 3: dev_eui 70b3d57ed0000001 is on line 2 too"),
        # What the registry or the node would refuse once the board is written, or would mix up for ever.
        ({"site_id": "tuin-1"}, "line 3: site_id tuin-1 is on line 2 too"),
        ({"site_id": "tuin 2"}, "line 3: site.id: 'tuin 2'"),
        ({"latitude": "512"}, "line 3: site.latitude of tuin-2: 512.0; allowed: -90 to 90"),
        ({"longitude": "nan"}, "line 3: site.longitude of tuin-2: nan"),
        ({"longitude": "51.2", "latitude": "4.4"}, "line 3: site of tuin-2: longitude 51.2, latitude 4.4"),
        ({"kind": "air"}, "line 3: kind: 'air', but sim_garden measures as 'garden'"),
        ({"dev_eui": "7.01E+15"}, "line 3: dev_eui: '7.01E+15' is what a spreadsheet made of an EUI"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([HEADER, a_row(1), a_row(2, **changes), a_row(3)]) + "\n")
    with pytest.raises(FlashError) as caught:
        rows.read(path)
    assert said in str(caught.value)
    result = meetnet("flash", "--bench", path, "--data", tmp_path / "data")
    assert result.exit_code == 1 and not (tmp_path / "data").exists()


def test_columns_are_checked_and_become_the_nodes_configuration(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"{HEADER},interval_s,colour\n{a_row(1)},900,red\n")
    with pytest.raises(FlashError, match="column 'colour' is unknown"):
        rows.read(path)
    path.write_text(f"{HEADER},interval_s\n{a_row(1)},5\n")
    with pytest.raises(FlashError, match=r"line 2: interval_s: is outside 10\.\.86400"):
        rows.read(path)
    path.write_text(f"{HEADER},interval_s,app_key\n{a_row(1)},900,{'0f' * 16}\n")
    row = rows.read(path)[0]
    assert "0f0f" not in repr(row)
    found = rows.config_of(row, row.dev_eui or "", row.app_key, None)
    assert (found["interval_s"], found["radio"], found["app_key"]) == (900, "lorawan", "0f" * 16)
    from node import config as node_config

    settings, errors = node_config.load(json.dumps(found))
    assert errors == [] and settings["interval_s"] == 900
    # IEEE, "Guidelines for Use of EUI": a MAC becomes an EUI-64 by FFFE in its middle.
    assert dev_eui_of("a0b1c2d3e4f5") == "a0b1c2fffed3e4f5"


def test_a_list_as_a_flemish_excel_saves_it(tmp_path: Path) -> None:
    """Semicolons, decimal commas, Windows-1252, WAAR and ONWAAR, blank rows; a fault of all is told once."""
    path = tmp_path / "rows.csv"
    head = f"{HEADER},public,page,from_ms,empty_mm".replace("row,", "Row,")
    lines = [head, *(f"{a_row(n, site_name=f'Zoë {n}')},ONWAAR,WAAR,2026-12-01," for n in (1, 2)), "," * 15]
    text = "\n".join(lines).replace(",", ";").replace(";4.9;52.3;", ";4,95;52,3;")
    path.write_text(f"sep=;\n{text}\n", encoding="cp1252", newline="\r\n")
    first, second = rows.read(path)
    assert (first.title, first.site["longitude"], first.site["public"]) == ("Zoë 1", 4.95, False)
    assert first.settings == {"language": "nl", "page": True}
    assert second.from_ms == 1_796_083_200_000  # date -u -d 2026-12-01 +%s
    path.write_text(text.replace("2026-12-01;", "2026-12-01;1.200"), encoding="cp1252")
    with pytest.raises(FlashError, match=r"lines 2 to 3: empty_mm: '1.200' may be a thousand times more"):
        rows.read(path)


def test_one_device_without_a_list(tmp_path: Path) -> None:
    with a_tray(tmp_path / "tray") as tray:
        tray.plug("tty0", 1)
        cells = {
            "kind": "garden",
            "transport": "lorawan",
            "site_id": "tuin-1",
            "longitude": "4.9",
            "latitude": "52.3",
        }
        sets = [word for name, value in cells.items() for word in ("--set", f"{name}={value}")]
        words = ["flash", "--board", "sim_garden", *sets, "--port", tray.pattern, "--data", tmp_path / "data"]
        result = meetnet(*words, "-o", tmp_path / "out", "--format", "zpl")
    assert result.exit_code == 0, result.output
    assert "1 of 1 devices done" in result.output
    assert list(keys_of(tmp_path / "data")) == ["a0b1c2fffed30001"]
    label = next((tmp_path / "out" / "labels").glob("*.zpl")).read_text()
    assert label.startswith("^XA") and label.rstrip().endswith("^XZ")


def test_images_and_boards_are_listed() -> None:
    found = json.loads(meetnet("flash", "images", "--json").output)
    assert [(one["chip"], one["version"]) for one in found] == [("esp32s3", "1.29.0")]
    assert json.loads(meetnet("flash", "boards", "--json").output)["lora32_garden"] == "esp32"
    assert meetnet("flash").exit_code == 2
    assert meetnet("flash", "image").exit_code == 2
