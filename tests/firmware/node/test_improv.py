"""The node's side of Improv: requests of a client, with a port and a radio of the test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from node.desk import Desk
from node.improv import Improv
from tests.dual_scripts.node_life import Clock
from wire import improv


class Port:
    def __init__(self) -> None:
        self.inbox = b""
        self.said = b""
        self.gone = False
        self.interrupted = False
        self.closed = False

    def read(self) -> bytes:
        data, self.inbox = self.inbox, b""
        return data

    def write(self, data: bytes) -> None:
        self.said += data

    def interrupt(self) -> None:
        self.interrupted = True

    def close(self) -> None:
        self.closed = True


class Radio:
    """node.wifi.Wifi with one network in the air."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.cause = 0
        self.up = False

    def join(self, ssid: str, password: str) -> int:
        self.clock.sleep_ms(3000)
        self.cause = 4 if ssid != "thuis" else 5 if password != "geheim" else 0
        self.up = not self.cause
        return self.cause

    def off(self) -> None:
        self.up = False

    def scan(self) -> list[tuple[str, int, bool]]:
        return [("thuis", -48, True), ("café", -80, False)]

    def address(self) -> str:
        return "192.0.2.7" if self.up else ""


class House:
    def __init__(self) -> None:
        self.clock = Clock()
        self.port = Port()
        self.radio = Radio(self.clock)
        self.desk = Desk(self.radio, self.clock)
        info = ("Meetnet", "0.2.0", "ESP32-C3", "meetnet-000001")
        self.improv = Improv(self.port, self.desk, self.clock, info)

    def ask(self, *packets: bytes) -> list[tuple[int, bytes]]:
        """Return what the node answers."""
        for packet in packets:
            self.port.inbox += packet
            self.improv.poll()
        said, self.port.said = self.port.said, b""
        return improv.Parser().feed(said)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.chdir(tmp_path)
    Path("config.json").write_text(json.dumps({"schema": 1, "radio": "none", "note": "kept"}))
    return House()


READY, PROVISIONED = (1, b"\x02"), (1, b"\x04")


def calls(answers: list[tuple[int, bytes]]) -> list[tuple[int, list[str]]]:
    return [improv.unpack_call(body) for kind, body in answers if kind == improv.RPC_RESULT]


def test_state_info_and_networks(house: House) -> None:
    assert house.ask(improv.rpc(improv.GET_STATE)) == [READY]
    assert calls(house.ask(improv.rpc(improv.GET_INFO))) == [
        (3, ["Meetnet", "0.2.0", "ESP32-C3", "meetnet-000001"])
    ]
    rows = calls(house.ask(improv.rpc(improv.SCAN)))
    assert rows == [(4, ["thuis", "-48", "YES"]), (4, ["café", "-80", "NO"]), (4, [])]


def test_the_right_password_is_kept_and_the_answer_has_the_page_of_the_node(house: House) -> None:
    answers = house.ask(improv.rpc(improv.SEND_WIFI, ("thuis", "geheim")))
    assert answers[:3] == [(2, b"\x00"), (1, b"\x03"), PROVISIONED]
    assert calls(answers) == [(1, ["http://192.0.2.7/"])]
    written = json.loads(Path("config.json").read_text())
    assert written["wifi"] == {"ssid": "thuis", "password": "geheim"}
    assert (written["radio"], written["note"]) == ("wifi", "kept")
    assert not house.desk.reset_due  # the answer must get out first
    house.clock.sleep_ms(4000)
    assert house.desk.reset_due
    answers = house.ask(improv.rpc(improv.GET_STATE))
    assert answers[0] == PROVISIONED
    assert calls(answers) == [(2, ["http://192.0.2.7/"])]


@pytest.mark.parametrize(
    ("ssid", "password", "cause"),
    [
        ("thuis", "fout", ["5", "wifi_wrong_password"]),
        ("elders", "geheim", ["4", "wifi_not_found"]),
    ],
)
def test_a_failure_tells_why_to_a_client_that_asks(
    house: House, ssid: str, password: str, cause: list[str]
) -> None:
    before = Path("config.json").read_text()
    answers = house.ask(improv.rpc(improv.SEND_WIFI, (ssid, password)))
    assert answers[-2:] == [READY, (2, b"\x03")]
    assert calls(house.ask(improv.rpc(improv.GET_CAUSE))) == [(0xF0, cause)]
    assert Path("config.json").read_text() == before


def test_bad_packets_and_unknown_commands_have_the_errors_of_the_standard(house: House) -> None:
    assert house.ask(improv.rpc(5)) == [(2, b"\x02")]
    assert house.ask(improv.packet(improv.RPC, b"\x01\x09\x00")) == [(2, b"\x01")]
    assert house.ask(improv.rpc(improv.SEND_WIFI, ("x" * 33, ""))) == [(2, b"\x01")]
    assert house.ask(improv.rpc(improv.SEND_WIFI, ("",))) == [(2, b"\x01")]
    assert house.ask(improv.state_packet(4)) == []  # an echo of what the node said


def test_ctrl_c_reaches_the_prompt_and_the_type_byte_of_a_request_does_not(house: House) -> None:
    request = improv.rpc(improv.GET_STATE)
    house.ask(request[:8], request[8:])
    assert not house.port.interrupted
    house.ask(b"\r\x03\x03")
    assert house.port.interrupted


def test_half_a_packet_does_not_spoil_the_next_one(house: House) -> None:
    house.ask(improv.rpc(improv.SEND_WIFI, ("thuis", "geheim"))[:12])
    house.clock.sleep_ms(1500)
    assert house.ask(improv.rpc(improv.GET_STATE)) == [READY]


def test_the_desk_closes_when_its_time_is_over_or_the_line_is_cut(house: House) -> None:
    house.desk.add(house.improv, 180_000)
    house.desk.serve(10_000)
    assert house.desk.open
    house.clock.sleep_ms(171_000)
    assert not house.desk.open
    assert house.port.closed
    other = House()
    other.desk.add(other.improv)
    other.port.gone = True
    assert not other.desk.open


CONFIG = {
    "schema": 1, "kind": "garden", "board": "c3_garden", "dev_eui": "a0b1c2fffed30001", "radio": "none",
    "mqtt": {"host": "gateway", "password": "long enough", "tls": True, "ca": "QUJD" * 300},
}  # fmt: skip
REFUSED = [(improv.ERROR_STATE, bytes([improv.INVALID_PACKET]))]


def pieces(text: str) -> list[bytes]:
    parts = [text[at : at + improv.PIECE] for at in range(0, len(text), improv.PIECE)] or [""]
    return [improv.rpc(improv.SET_IDENTITY, (str(n), str(len(parts)), part)) for n, part in enumerate(parts)]


def test_a_blank_board_becomes_somebody_and_starts_with_it(house: House) -> None:
    assert calls(house.ask(improv.rpc(improv.GET_IDENTITY)))[0][1][0] == ""
    before = Path("config.json").read_text()
    asked = pieces(json.dumps(CONFIG))
    assert len(asked) > 6
    for packet in asked[:-1]:
        assert calls(house.ask(packet)) == [(improv.SET_IDENTITY, [""])]
    assert Path("config.json").read_text() == before  # nothing before the last piece
    assert calls(house.ask(asked[-1])) == [(improv.SET_IDENTITY, ["a0b1c2fffed30001"])]
    assert json.loads(Path("config.json").read_text()) == CONFIG
    house.clock.sleep_ms(4000)
    assert house.desk.reset_due
    house.ask(improv.rpc(improv.SEND_WIFI, ("thuis", "geheim")))
    assert json.loads(Path("config.json").read_text())["radio"] == "mqtt"
    assert calls(house.ask(improv.rpc(improv.GET_IDENTITY)))[0][1][0] == "a0b1c2fffed30001"


def test_who_has_an_identity_keeps_it(house: House) -> None:
    for packet in pieces(json.dumps(CONFIG)):
        house.ask(packet)
    written = Path("config.json").read_text()
    *_, last = [house.ask(packet) for packet in pieces(json.dumps({**CONFIG, "dev_eui": "ff" * 8}))]
    assert last == REFUSED
    assert Path("config.json").read_text() == written


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", json.dumps({**CONFIG, "interval_s": 1}), json.dumps({**CONFIG, "dev_eui": "0" * 16})],
)
def test_what_no_node_would_run_with_is_not_taken(house: House, text: str) -> None:
    before = Path("config.json").read_text()
    *_, last = [house.ask(packet) for packet in pieces(text)]
    assert last == REFUSED
    assert Path("config.json").read_text() == before
    assert not house.desk.reset_due


@pytest.mark.parametrize(
    "strings", [(), ("0",), ("x", "1", "{}"), ("1", "9", "{}"), ("0", "33", "{}"), ("-1", "1", "")]
)
def test_bad_pieces_are_refused_and_the_next_try_begins_anew(house: House, strings: tuple[str, ...]) -> None:
    asked = pieces(json.dumps(CONFIG))
    if strings[:1] != ("1",):  # a second piece without a first one
        house.ask(asked[0])
    assert house.ask(improv.rpc(improv.SET_IDENTITY, strings)) == REFUSED
    *_, last = [house.ask(packet) for packet in asked]
    assert calls(last) == [(improv.SET_IDENTITY, ["a0b1c2fffed30001"])]
