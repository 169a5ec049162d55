"""The real esptool and mpremote do their whole job on simulated boards; flash is compared byte by byte."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from mp_image_tool_esp32.partition_table import PartitionTable

from simulator import loop
from simulator.node import NodeSettings
from simulator.usb import Rfc2217Port, UsbBoard
from simulator.usb.console import files_of
from simulator.usb.partitions import read_table
from simulator.world import World
from tests.node_flash import records_of
from tests.tools.flash.images import ROWS, image
from tests.tools.flash.tray import a_tray, garden, without_climate, without_radio
from tools.flash import application, base, esp, partitions, selftest, steps
from tools.flash.errors import FlashError

pytestmark = pytest.mark.timeout(400)  # a busy machine starts programs slowly
EUI = "70b3d57ed0000001"
KEY = "2b7e151628aed2a6abf7158809cf4f3c"
CRASH = """
from node.recovery import Lives
from node.store import NvsStore
Lives(NvsStore(), 1).crashed(repr(OSError(28)))
"""
CONFIG = {
    "schema": 1, "kind": "garden", "board": "sim_garden", "radio": "lorawan", "dev_eui": EUI,
    "join_eui": "70b3d57ed0000000", "app_key": KEY,
}  # fmt: skip
BOARD_OF = {"esp32": "lora32_garden", "esp32s3": "sim_garden", "esp32c3": "c3_garden"}


def esptool(port: str, *words: str) -> str:
    command = [sys.executable, "-m", "esptool", "--port", port, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


_C3 = pytest.param("esp32c3", marks=pytest.mark.nightly)  # the firmware is compiled once more for it


@pytest.mark.parametrize("chip", ["esp32", "esp32s3", _C3])
def test_esptool_writes_a_whole_device_and_leaves_the_join_counters_alone(tmp_path: Path, chip: str) -> None:
    with a_tray(tmp_path) as tray:
        board = tray.plug("tty0", 1, chip)
        board.flash.program(0x9000, b"DevNonce of an earlier life")
        found = esp.look(tray.ports["tty0"].path)
        assert (found.chip.name, found.mac, found.flash_bytes) == (chip, "a0b1c2d30001", 4 << 20)
        content = image(chip)
        parsed = base.parse(content)
        segments = steps.segments_of(parsed, BOARD_OF[chip], {**CONFIG, "board": BOARD_OF[chip]}, 512)
        shares: list[float] = []
        esp.write(tray.ports["tty0"].path, found.chip, segments, shares.append)
    for offset, written in segments:
        assert board.flash.read(offset, len(written)) == written, hex(offset)
    assert board.flash.not_blank == 0  # nothing was written where nobody had erased
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert board.flash.read(0x9000, 27) == b"DevNonce of an earlier life"
    # What was published as the image is on the flash: second stage and application, byte by byte.
    at = 0x1000 if chip == "esp32" else 0
    assert board.flash.read(at, 20_024) == content[:20_024]
    assert board.flash.read(0x10000, 60_000) == content[0x10000 - at :]
    # An independent reader of such tables agrees: the image's own rows, and room for the record log.
    table = PartitionTable.from_bytes(board.flash.read(0x8000, 0x1000))
    names = {row.name: (row.offset, row.size) for row in table}
    assert names == {
        **{row[0]: (row[3], row[4]) for row in ROWS[:3]},
        "vfs": (0x200000, 0x180000),
        "log": (0x380000, 0x80000),
    }
    files = files_of(board.flash)
    assert json.loads(files["config.json"])["dev_eui"] == EUI
    assert [name for name in files if name.startswith("boards/")] == [
        "boards/__init__.mpy",
        f"boards/{BOARD_OF[chip]}.mpy",
    ]
    architectures = {content[2] >> 2 & 15 for name, content in files.items() if name.endswith(".mpy")}
    assert architectures == {
        0,
        11 if chip == "esp32c3" else 10,
    }  # bytecode; viper (py/emitglue.h)


def test_without_the_stub_and_with_another_programs_words(tmp_path: Path) -> None:
    """The ROM's own loader: other status bytes and digests; and the stub's reading."""
    content = zlib.compress(bytes(range(256)) * 40) + bytes(range(256)) * 100
    path = tmp_path / "part.bin"
    path.write_bytes(content)
    with a_tray(tmp_path) as tray:
        for number, chip in enumerate(("esp32", "esp32c3")):
            board = tray.plug(f"tty{number}", number, chip)
            port = tray.ports[f"tty{number}"].path
            assert "Hash of data verified" in esptool(port, "--no-stub", "write-flash", "0x20000", str(path))
            assert board.flash.read(0x20000, len(content)) == content
        back = tmp_path / "back.bin"
        esptool(port, "read-flash", "0x20000", str(len(content)), str(back))
        assert back.read_bytes() == content
        esptool(port, "erase-region", "0x20000", "0x1000")
        assert board.flash.read(0x20000, 0x1000) == b"\xff" * 0x1000
        assert board.flash.read(0x21000, 16) == content[0x1000:0x1010]
        esptool(port, "erase-flash")
        assert set(board.flash.data) == {0xFF}


@pytest.mark.nightly
@pytest.mark.parametrize("chip", ["esp32", "esp32s3"])
def test_reset_by_dtr_and_rts(chip: str) -> None:
    """Over RFC 2217 the lines go along: the chip is put into its loader and started again by them alone."""
    board = UsbBoard(chip, bytes(6))
    board.flash.program(board.chip.bootloader_at, b"\xe9")
    port = Rfc2217Port(board)
    try:
        assert board.state == "running"
        assert "MAC:" in esptool(port.url, "read-mac")
        assert board.loader.commands  # it was in its loader
        assert board.state == "running"  # and is not any more
    finally:
        port.close()


def test_the_reset_circuit() -> None:
    """The order of lines in which esptool's classic reset pulls them, and what a chip must make of it."""
    board = UsbBoard("esp32s3", bytes(6))
    board.en_delay_s = 0.001
    board.flash.program(0, b"\xe9")
    board.connect(lambda _data: None)
    import time

    def lines(*steps: tuple[bool, bool]) -> str:
        for dtr, rts in steps:
            board.set_lines(dtr, rts)
        for _ in range(500):
            if board.state != "off":
                break
            time.sleep(0.002)
        return board.state

    assert board.state == "running"
    assert lines((False, True), (True, True), (True, False)) == "download"
    assert lines((False, False), (False, True), (False, False)) == "running"


def test_a_flashed_board_tests_itself_and_names_what_is_wrong(tmp_path: Path) -> None:
    parsed = base.parse(image("esp32s3"))
    segments = steps.segments_of(parsed, "sim_garden", CONFIG, 512)
    with a_tray(tmp_path) as tray:
        found: dict[str, selftest.SelfTest] = {}
        for number, hardware in enumerate((garden, without_climate, without_radio)):
            board = tray.plug(f"tty{number}", number, hardware=hardware)
            for offset, content in segments:
                board.flash.program(offset, content)
            board.reset(download=False)
            port = tray.ports[f"tty{number}"].path
            if hardware is garden:  # what ended an earlier life is still told by the node that came back
                words = ["-m", "mpremote", "connect", port, "resume", "exec", CRASH]
                subprocess.run([sys.executable, *words], check=True, timeout=90)
            found[hardware.__name__] = selftest.ask(port)
    good = found["garden"]
    assert good.faults == () and good.last_crash == "OSError(28,)"
    assert found["without_climate"].last_crash == ""
    assert (good.dev_eui, good.radio["kind"]) == (EUI, "lorawan")
    values = {reading[0]: reading[1] for sensor in good.sensors for reading in sensor["readings"]}
    assert values["temperature"] == pytest.approx(18.5, abs=0.02)  # what is around the board
    assert values["relative_humidity"] == pytest.approx(61.0, abs=0.1)
    assert values["battery"] == pytest.approx(3700, abs=10)
    assert len(found["without_climate"].faults) == 1
    assert found["without_climate"].faults[0].startswith("sht4x: ")
    assert any(fault.startswith("radio: ") for fault in found["without_radio"].faults)


def test_a_blank_board_and_a_broken_application_say_so(tmp_path: Path) -> None:
    with a_tray(tmp_path) as tray:
        board = tray.plug("tty0", 1)
        with pytest.raises(FlashError) as caught:
            selftest.ask(tray.ports["tty0"].path, tries=1)
        assert caught.value.code == "repl"
        segments = steps.segments_of(base.parse(image("esp32s3")), "sim_garden", CONFIG, 512)
        for offset, content in segments[:-1]:
            board.flash.program(offset, content)  # no file system
        board.reset(download=False)
        with pytest.raises(FlashError, match="node") as caught:
            selftest.ask(tray.ports["tty0"].path)
        assert caught.value.code == "repl"
    for said in ("", "garbage", "meetnet-selftest {", 'meetnet-selftest {"version": 1}'):
        with pytest.raises(FlashError):
            selftest.judge(said)


def test_what_was_flashed_is_what_runs(tmp_path: Path) -> None:
    """The littlefs of the flash is mounted by littlefs itself, and the node that is in it measures."""
    segments = steps.segments_of(base.parse(image("esp32s3")), "sim_garden", CONFIG, 512)
    board = UsbBoard("esp32s3", bytes(6))
    for offset, content in segments:
        board.flash.program(offset, content)
    folder = tmp_path / "files"
    for name, content in files_of(board.flash).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    log = next(row for row in read_table(board.flash) if row.label == "log")

    async def live() -> tuple[int, str]:
        async with World(tmp_path / "world") as world:
            settings = NodeSettings(
                "n", garden(), config=json.loads((folder / "config.json").read_text()), path=(folder,),
                partitions=(("vfs", 0x180000), ("log", log.size)),
            )  # fmt: skip
            node = world.add_node(settings)
            node.power_on()
            await world.run_for(1000)
            return len(records_of(node)), node.log.read_text()

    records, said = loop.run(live(), start_us=1_795_000_000_000_000)
    assert records >= 3, said
    assert "Traceback" not in said


def test_images_are_known_by_digest_and_taken_apart(tmp_path: Path) -> None:
    from tools.flash.store import ImageStore

    store = ImageStore(tmp_path / "images")
    content = image("esp32c3", "v1.29.0-preview.12")
    path = tmp_path / "given.bin"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    with pytest.raises(FlashError, match="has SHA-256") as caught:
        store.add(path, "0" * 64)
    assert caught.value.code == "checksum"
    kept = store.add(path, digest)
    assert (kept.chip.name, kept.version, kept.sha256) == ("esp32c3", "1.29.0-preview.12", digest)
    assert store.newest_for("esp32c3").sha256 == store.get(digest[:8]).sha256 == digest
    with pytest.raises(FlashError, match="no base image for esp32 is kept"):
        store.newest_for("esp32")
    (tmp_path / "images" / f"{digest}.bin").write_bytes(content[:-1] + b"?")
    with pytest.raises(FlashError):  # rotten on the disk: noticed, never flashed
        store.get(digest)
    assert store.all() == []
    for bad in (b"", b"\xe9" * 100, content[:0x8000] + b"\xff" * 0x8000, b"MZ" + content[2:]):
        with pytest.raises(FlashError) as caught:
            base.parse(bad)
        assert caught.value.code == "image"
    torn = bytearray(content)
    torn[0x8000 + 40] ^= 1
    with pytest.raises(FlashError, match="damaged"):
        base.parse(bytes(torn))


def test_the_log_gets_its_room_or_a_word_why_not() -> None:
    rows = list(base.parse(image("esp32s3")).rows)
    assert partitions.with_log(rows, 0) == rows
    twice = partitions.with_log(partitions.with_log(rows, 512 << 10), 512 << 10)
    assert [row.label for row in twice].count("log") == 1
    with pytest.raises(FlashError, match="smaller --log-kib"):
        partitions.with_log(rows, 1800 << 10)
    assert partitions.parse(partitions.table(twice)) == twice
    with pytest.raises(FlashError, match="does not fit"):
        application.littlefs({"a": bytes(600_000)}, 0x80000)
