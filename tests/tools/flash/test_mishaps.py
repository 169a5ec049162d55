"""What goes wrong at a bench beside the boards: a full disk, a server that is gone, rights, an empty port."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreError
from gateway.registry import Registry
from gateway.update import read as read_bundle
from tests.tools.flash.images import image
from tests.tools.flash.test_bench import NoBoards, meetnet
from tests.tools.flash.tray import a_list
from tools.flash import base, esp, rows
from tools.flash.bench import Bench, Event
from tools.flash.errors import FlashError
from tools.flash.journal import ASSIGNED, DONE, Journal
from tools.flash.register import Registrar
from tools.flash.steps import Printer

FIRST, SECOND = "tty-a0b1c2d30001", "tty-a0b1c2d30002"


@contextmanager
def a_disk_with_room_for(size: int) -> Iterator[None]:
    """Files of this process end at so many bytes: it writes what fits, then nothing (setrlimit(2))."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Server:
    """A network server that is gone the first `times`, and then takes all."""

    def __init__(self, times: int) -> None:
        self._times = times

    def put_all(self, devices: Any) -> list[Any]:
        from gateway.registry import RowReport

        if self._times:
            self._times -= 1
            raise StoreError("UNAVAILABLE: nobody answers")
        return [RowReport(1, device.dev_eui, "added") for device in devices]


class ABench:
    """Two rows, and boards that do what they should."""

    def __init__(
        self,
        folder: Path,
        server: Server | None = None,
        out: Path | None = None,
        listed: list[rows.Row] | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.folder = folder
        self.journal = Journal(folder / "rows.journal")
        self._registrar = Registrar(folder / "data", server)
        self._parsed = base.parse(image("esp32s3"))
        self._rows = listed or rows.read(a_list(folder / "rows.csv", 2, dev_eui=""))
        self._printer = Printer(out or folder / "out", ("svg",), "https://meetnet.example")

    def plug(self, port: str) -> Event:
        bench = Bench(
            self._rows, self.journal, lambda _chip: self._parsed, NoBoards(), self._registrar, self._printer,
            lambda: [port], self.events.append,
        )  # fmt: skip
        bench.run(once=True)
        return self.events[-1]

    def close(self) -> None:
        self.journal.close()
        self._registrar.close()


def sites_of(data: Path, at_ms: int = 1) -> dict[str, str]:
    registry = Registry(data)
    try:
        found = {device.dev_eui: registry.site_of(device.dev_eui, at_ms) for device in registry.devices()}
    finally:
        registry.close()
    return {dev_eui: site.id for dev_eui, site in found.items() if site is not None}


def test_a_board_keeps_its_row_while_the_network_server_is_gone(tmp_path: Path) -> None:
    """It is in the registry at the row's site already: another board there would be the second one."""
    bench = ABench(tmp_path, Server(1))
    try:
        red = bench.plug(FIRST)
        assert (red.step, red.code, red.row) == ("red", "server", "r1")
        assert [bench.plug(port).row for port in (SECOND, FIRST)] == ["r2", "r1"]
        assert [event.step for event in bench.events].count("green") == 2
    finally:
        bench.close()
    assert sites_of(tmp_path / "data") == {"a0b1c2fffed30001": "tuin-1", "a0b1c2fffed30002": "tuin-2"}


def test_the_row_of_a_lost_board_goes_to_another_which_is_alone_at_its_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.flash.store.folder", lambda: tmp_path / "images")
    monkeypatch.setattr("tools.flash.cli.RealHands", lambda _log_kib: NoBoards())
    (tmp_path / "base.bin").write_bytes(image("esp32s3"))
    meetnet("flash", "image", tmp_path / "base.bin")
    bench = ABench(tmp_path, Server(1))
    assert bench.plug(FIRST).code == "server"  # registered here, and then nobody saw that board again
    bench.close()
    words = ["flash", "--bench", tmp_path / "rows.csv", "--data", tmp_path / "data", "--once"]
    words += ["-o", tmp_path / "out", "--format", "svg"]
    monkeypatch.setattr("tools.flash.cli.ports.present", lambda _named: [SECOND])
    assert "no row of the list is called so" in meetnet(*words, "--release", "r9").stderr
    result = meetnet(*words, "--release", "r1")
    assert result.exit_code == 0, result.output
    now_at = sites_of(tmp_path / "data", 2**60)
    assert now_at == {"a0b1c2fffed30002": "tuin-1"}
    monkeypatch.setattr("tools.flash.cli.ports.present", lambda _named: [FIRST])
    assert meetnet(*words).exit_code == 0  # it was found again, and is another device's row now
    assert sites_of(tmp_path / "data", 2**60) == now_at | {"a0b1c2fffed30001": "tuin-2"}
    done = meetnet(*words, "--release", "r1")
    assert done.exit_code == 1 and "done by a0b1c2fffed30002" in done.stderr


def test_a_list_that_lost_a_line_goes_on_with_the_rows_it_has(tmp_path: Path) -> None:
    """Without names of their own rows are called by their sites: a line less shifts nobody to another's."""
    bench = ABench(tmp_path)
    bench.close()
    head, *lines = (line.split(",", 1)[1] for line in (tmp_path / "rows.csv").read_text().splitlines())

    def plug(port: str, *listed: str) -> Event:
        (tmp_path / "rows.csv").write_text("\n".join([head, *listed]) + "\n")
        again = ABench(tmp_path, listed=rows.read(tmp_path / "rows.csv"))
        try:
            return again.plug(port)
        finally:
            again.close()

    assert plug(SECOND, *lines).row == "tuin-1"
    assert plug(FIRST, *lines).row == "tuin-2"
    third = lines[1].replace("tuin-2", "tuin-3")
    last = plug("tty-a0b1c2d30003", lines[1], third)  # the first is done and out of the list
    assert (last.step, last.row) == ("green", "tuin-3")
    assert plug(FIRST, lines[1], third).step == "already"


def test_a_journal_on_a_full_disk_has_whole_lines_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "rows.journal"
    journal = Journal(path)
    journal.add("r1", ASSIGNED, mac="a" * 12, dev_eui="b" * 16)
    size = path.stat().st_size
    for room in range(0, size, 17):
        with (
            a_disk_with_room_for(size + room),
            pytest.raises(FlashError, match="make room on the disk") as caught,
        ):
            journal.add("r2", ASSIGNED, mac="c" * 12, dev_eui="d" * 16)
        assert caught.value.code == "journal" and path.stat().st_size == size
        assert journal.state("r2").mac is None  # what is not written down was not given away
    journal.add("r1", DONE)
    journal.close()
    again = Journal(path)
    assert again.state("r1").event == DONE and again.row_of("c" * 12) is None
    again.close()


def test_a_full_disk_under_the_labels_is_told_and_the_board_may_come_again(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("a file where the folder should be")
    bench = ABench(tmp_path, out=tmp_path / "in-the-way")
    try:
        red = bench.plug(FIRST)
        assert (red.step, red.code) == ("red", "disk")
        assert "in-the-way" in red.reason and "see to room and rights" in red.reason
        (tmp_path / "in-the-way").unlink()
        green = bench.plug(FIRST)
        assert (green.step, green.row) == ("green", "r1")
    finally:
        bench.close()


def test_a_full_disk_under_the_journal_is_told_at_the_port(tmp_path: Path) -> None:
    bench = ABench(tmp_path)
    try:
        with a_disk_with_room_for(0):
            red = bench.plug(FIRST)
        assert (red.step, red.code) == ("red", "journal") and "make room" in red.reason
        assert bench.plug(FIRST).step == "green"
    finally:
        bench.close()


@pytest.mark.parametrize(
    ("reason", "code", "said"),
    [
        ("[Errno 13] could not open port /dev/ttyUSB0: [Errno 13] Permission denied: '/dev/ttyUSB0'",
         "port", "sudo usermod -aG dialout"),
        ("[Errno 2] could not open port /dev/ttyUSB0: [Errno 2] No such file or directory: '/dev/ttyUSB0'",
         "unplugged", "plug it in again"),
        ("[Errno 16] could not open port /dev/ttyUSB0: [Errno 16] Device or resource busy: '/dev/ttyUSB0'",
         "port", "is another program using it"),
    ],
)  # fmt: skip
def test_a_port_that_does_not_open_says_which_of_three_reasons(reason: str, code: str, said: str) -> None:
    """The words are esptool's (loader.py, ESPLoader.__init__) around pyserial's (serialposix.py, open)."""
    fatal = "A fatal error occurred: Could not open /dev/ttyUSB0, the port is busy or doesn't exist.\n"
    error = esp.cause(f"{fatal}({reason})\n")
    assert error.code == code and said in str(error)


def test_a_port_without_a_board_is_no_run_that_went_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.flash.store.folder", lambda: tmp_path / "images")
    (tmp_path / "base.bin").write_bytes(image("esp32s3"))
    assert meetnet("flash", "image", tmp_path / "base.bin").exit_code == 0
    listed = a_list(tmp_path / "rows.csv", 2)
    words = ["flash", "--bench", listed, "--data", tmp_path / "data", "-o", tmp_path / "out", "--once"]
    result = meetnet(*words, "--port", tmp_path / "ttyUSB0")
    assert result.exit_code == 1
    assert f"no board at {tmp_path / 'ttyUSB0'}: plug one in" in result.stderr


def test_a_chip_without_a_base_image_is_told_which_to_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names are those of micropython.org/download."""
    monkeypatch.setattr("tools.flash.store.folder", lambda: tmp_path / "images")
    words = ["flash", "--bench", a_list(tmp_path / "rows.csv", 1), "--data", tmp_path / "data", "--json"]
    result = meetnet(*words)
    said = json.loads(result.stdout)
    assert said["exit_code"] == result.exit_code == 1
    assert "ESP32_GENERIC_S3 from micropython.org/download" in said["error"]


@pytest.mark.parametrize("version", ["v1.20.0", "v1.22.2", "v1.9.4"])
def test_an_old_base_image_is_refused_before_a_board_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """On the board it would say "incompatible .mpy file" in the self-test, board after board."""
    monkeypatch.setattr("tools.flash.store.folder", lambda: tmp_path / "images")
    (tmp_path / "base.bin").write_bytes(image("esp32c3", version))
    result = meetnet("flash", "image", tmp_path / "base.bin")
    assert result.exit_code == 1
    assert f"MicroPython {version[1:]} is too old" in result.stderr and "1.29 for esp32c3" in result.stderr
    assert not list(tmp_path.glob("images/*"))


def test_the_application_of_a_release_is_made_and_signed_by_two_commands(tmp_path: Path) -> None:
    folder, key, bundle = tmp_path / "xtensawin", tmp_path / "key.pem", tmp_path / "release.mnu"
    made = json.loads(meetnet("flash", "application", "xtensawin", "-o", folder, "--json").stdout)
    assert made["files"] > 200 and (folder / "node" / "start.mpy").is_file()
    assert meetnet("flash", "application", "xtensawin", "-o", folder).exit_code == 1  # what is there stays
    assert meetnet("update", "keygen", "--key", key).exit_code == 0
    words = ["update", "sign", "application", folder, bundle, "--key", key, "--version", made["version"]]
    result = meetnet(*words)
    assert result.exit_code == 0, result.output
    assert read_bundle(bundle.read_bytes()).head.architecture == 1
