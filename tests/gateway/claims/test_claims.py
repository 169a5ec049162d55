"""Who owns which device: once, for good, whatever is cut off."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.claims import ClaimBook, ClaimError, Welcome
from gateway.claims.book import VALID_MS
from gateway.registry import Device, Registry, Site

EUI, OTHER = "70b3d57ed0000001", "70b3d57ed0000002"
NOW = 1_780_000_000_000


@pytest.fixture
def book(tmp_path: Path) -> Iterator[ClaimBook]:
    found = ClaimBook(tmp_path / "claims.db")
    yield found
    found.close()


def refused(call: object, *args: object) -> str:
    with pytest.raises(ClaimError) as caught:
        call(*args)  # type: ignore[operator]
    assert str(caught.value)
    return caught.value.code


def test_a_host_claims_once_and_again_is_the_same(book: ClaimBook, tmp_path: Path) -> None:
    token = book.issue(EUI, NOW)
    assert book.look(token, NOW).owner is None
    claim = book.claim(token.lower(), "an@example.org", NOW + 5)
    assert (claim.dev_eui, claim.owner, claim.from_ms) == (EUI, "an@example.org", NOW + 5)
    assert book.claim(token, "an@example.org", NOW + 900) == claim
    assert refused(book.claim, token, "bo@example.org", NOW) == "taken"
    again = ClaimBook(tmp_path / "claims.db")
    assert again.claim_of(EUI) == claim
    assert again.claims_of("an@example.org") == [claim]
    again.close()


def test_what_is_refused_says_why(book: ClaimBook) -> None:
    token = book.issue(EUI, NOW)
    assert refused(book.claim, token[:-1] + ("0" if token[-1] != "0" else "1"), "an", NOW) == "typo"
    assert refused(book.claim, "", "an", NOW) == "typo"
    assert refused(book.claim, token, " ", NOW) == "owner"
    assert refused(book.claim, token, "x" * 255, NOW) == "owner"
    stranger = ClaimBook(Path(book._db.execute("PRAGMA database_list").fetchone()[2]).with_name("else.db"))
    assert refused(book.claim, stranger.issue(EUI, NOW), "an", NOW) == "unknown"
    stranger.close()
    assert refused(book.claim, token, "an", NOW + VALID_MS) == "expired"
    newer = book.issue(EUI, NOW)
    assert refused(book.claim, token, "an", NOW) == "replaced"
    book.claim(newer, "an", NOW)
    assert refused(book.issue, EUI, NOW) == "taken"
    assert refused(book.release, EUI, "bo", NOW) == "not_owner"


def test_handing_over_needs_a_new_card(book: ClaimBook) -> None:
    token = book.issue(EUI, NOW)
    book.claim(token, "an", NOW)
    book.release(EUI, "an", NOW)
    assert book.claim_of(EUI) is None
    assert refused(book.claim, token, "an", NOW + 1) == "replaced"
    assert book.claim(book.issue(EUI, NOW), "bo", NOW).owner == "bo"


def test_a_replaced_device_keeps_its_owner(book: ClaimBook) -> None:
    book.claim(book.issue(EUI, NOW), "an", NOW)
    spare = book.issue(OTHER, NOW)
    moved = book.move(EUI, OTHER, NOW + 1)
    assert moved is not None and (moved.dev_eui, moved.owner) == (OTHER, "an")
    assert book.move(EUI, OTHER, NOW + 2) == moved
    assert book.claim_of(EUI) is None
    assert refused(book.claim, spare, "bo", NOW + 3) == "replaced"


def test_a_person_can_be_forgotten(book: ClaimBook, tmp_path: Path) -> None:
    book.claim(book.issue(EUI, NOW), "an@example.org", NOW)
    assert book.forget("an@example.org") == 1
    book._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    book._db.execute("VACUUM")
    assert b"an@example.org" not in (tmp_path / "claims.db").read_bytes()


def test_the_file_gives_no_token_away(book: ClaimBook, tmp_path: Path) -> None:
    token = book.issue(EUI, NOW)
    book._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = (tmp_path / "claims.db").read_bytes()
    assert token.encode() not in content and token.lower().encode() not in content
    assert (tmp_path / "claims.db").stat().st_mode & 0o777 == 0o600


def test_a_tag_is_the_same_for_ever_and_leads_back(book: ClaimBook) -> None:
    tag = book.tag_of(EUI)
    assert book.tag_of(EUI) == tag != book.tag_of(OTHER)
    assert book.device_of_tag(tag.lower()) == EUI
    assert book.device_of_tag("nonsense") is None
    assert EUI not in tag.lower()


_CLAIMANT = """
import sys
from pathlib import Path
from gateway.claims import ClaimBook, ClaimError
book = ClaimBook(Path(sys.argv[1]))
for line in sys.stdin:
    token = line.strip()
    try:
        book.claim(token, sys.argv[2], 1)
        print(token, flush=True)
    except ClaimError as error:
        print("-", error.code, flush=True)
"""


def test_killed_at_any_instant_nobody_is_told_yes_in_vain_and_no_two_are(tmp_path: Path) -> None:
    path = tmp_path / "claims.db"
    book = ClaimBook(path)
    tokens = [book.issue(f"{number:016x}", 0) for number in range(120)]
    chance = random.Random(11)
    told: dict[str, str] = {}

    def made() -> int:
        return int(book._db.execute("SELECT COUNT(*) FROM claims").fetchone()[0])

    command = [sys.executable, "-c", _CLAIMANT, str(path)]
    for _ in range(3):
        running = []
        for owner in ("an", "bo"):
            started = subprocess.Popen(
                [*command, owner], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert started.stdin is not None
            started.stdin.write("\n".join(chance.sample(tokens, len(tokens))) + "\n")
            started.stdin.flush()
            running.append((owner, started))
        until = made() + chance.randint(5, 30)
        for _ in range(3000):  # however busy the machine is: kill in the midst of it
            if made() >= until:
                break
            time.sleep(0.01)
        for owner, started in running:
            started.send_signal(signal.SIGKILL)
            out, _ = started.communicate()
            for line in out.split("\n")[:-1]:
                if not line.startswith("-"):
                    assert told.setdefault(line, owner) == owner
    assert told
    for token, owner in told.items():
        assert book.look(token, 0).owner == owner
    book.close()


@dataclass
class Form:
    quantity: str
    unit: str = "Cel"


@dataclass
class Row:
    site_id: str
    observed_at_ms: int
    form: Form
    value: float | None
    received_at_ms: int = 0


def test_a_new_host_sees_the_first_own_value(book: ClaimBook, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    rows: list[Row] = [Row("tuin-1", NOW - 1, Form("temperature"), 3.0)]  # of the device before
    heard: dict[str, int] = {}
    welcome = Welcome(book, registry, lambda: rows, heard.get)
    token = book.issue(EUI, NOW)
    assert refused(welcome.by_token, token, NOW) == "device"
    registry.put_device(Device(EUI, "garden", "mqtt"))
    assert welcome.by_token(token, NOW).stage == "silent"
    heard[EUI] = NOW
    assert welcome.by_token(token, NOW).stage == "no_site"
    registry.put_site(Site("tuin-1", "city", "Tuin", "garden", 4.9, 52.3, 100, "CC-BY-4.0"))
    registry.deploy(EUI, "tuin-1", NOW)
    assert welcome.by_token(token, NOW).stage == "heard"
    rows.append(Row("tuin-1", NOW + 10, Form("relative_humidity"), 61.0))
    assert welcome.by_token(token, NOW + 20).quantity == "relative_humidity"
    rows.append(Row("tuin-1", NOW + 10, Form("temperature"), 12.5))
    found = welcome.by_token(token, NOW + 20)
    assert (found.stage, found.site_id, found.value, found.unit) == ("value", "tuin-1", 12.5, "Cel")
    registry.close()
