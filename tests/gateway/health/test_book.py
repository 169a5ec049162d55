"""What is on record of incidents, and who is told what when."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from gateway.alerting import Alerting, AlertSettings
from gateway.cli.main import main
from gateway.counters import Counters
from gateway.errors import StoreError
from gateway.health import Facts, Incident, IncidentBook
from gateway.health.book import CALM_MS
from gateway.health.table import CAUSES, LANGUAGES
from gateway.health.words import message, told
from tools import sentences
from wire import causes, status
from wire.record import NO_ANSWER

from ..house import SetClock
from .test_causes import HOUR_MS, MINUTE_MS, device

NOON = int(datetime(2026, 11, 30, 11, 0, tzinfo=UTC).timestamp() * 1000)  # 12 h in Brussels
SILENT = Incident("silent:1", "silent", "Plein 1", NOON - HOUR_MS, ("0" * 16,))
AWAY = Incident("gateway:a", "gateway", "a", NOON - HOUR_MS, tuple(f"{n:016x}" for n in range(40)))
FIGURES = {
    "reason": "No space left", "behind": 7, "rows": 3, "battery_mv": 2510, "days": 9, "margin_db": 1.5,
    "missed_percent": 40, "quantities": "pm2_5", "free_mb": 900,
}  # fmt: skip


class Post:
    """A mail server that notes what it takes, or refuses."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.refuses = False
        self.fault = "mail.port: 127.0.0.1:25 cannot be reached"
        self.refused: tuple[str, ...] = ()
        self.by_address: dict[str, list[str]] = {}

    def send(self, to: str, subject: str, text: str) -> bool:
        if self.refuses or to in self.refused:
            return False
        self.taken.append((subject, text))
        self.by_address.setdefault(to, []).append(subject)
        return True


def an_alerting(path: Path, post: Post, **changes: object) -> tuple[Alerting, IncidentBook]:
    book = IncidentBook(path / "health.db")
    settings = AlertSettings(**{"mail_to": ("wacht@stad.example",), **changes})  # type: ignore[arg-type]
    unused = lambda: Facts(0, 0)  # noqa: E731
    return Alerting(unused, book, post, SetClock(), Counters(), settings, lambda euis: list(euis)), book


def seen(now_ms: int, heard_ago_ms: int) -> Facts:
    ours = device(1, way="lorawan")
    return Facts(
        now_ms, now_ms - 100 * HOUR_MS,
        (ours.__class__(**{**{f: getattr(ours, f) for f in ours.__slots__}, "since_ms": 0,
                           "heard_ms": now_ms - heard_ago_ms}),),
    )  # fmt: skip


def test_each_cause_is_told_once_and_its_end_once(tmp_path: Path) -> None:
    post = Post()
    alerting, book = an_alerting(tmp_path, post)
    for minute in range(30):
        alerting.look(seen(NOON + minute * MINUTE_MS, HOUR_MS + minute * MINUTE_MS))
    assert [subject for subject, _ in post.taken] == ["Meetnet: Plein 1 is stil, zonder dat we weten waarom."]
    assert "Kijk ter plaatse" in post.taken[0][1]
    for minute in range(30, 60):
        alerting.look(seen(NOON + minute * MINUTE_MS, MINUTE_MS))
    assert [subject for subject, _ in post.taken][1:] == [
        "Meetnet: Voorbij: Plein 1 is stil, zonder dat we weten waarom."
    ]
    book.close()


def test_what_flickers_is_one_incident(tmp_path: Path) -> None:
    post = Post()
    alerting, book = an_alerting(tmp_path, post)
    for minute in range(60):
        quiet_ms = HOUR_MS if minute % 6 < 3 else MINUTE_MS
        alerting.look(seen(NOON + minute * MINUTE_MS, quiet_ms))
    assert len(post.taken) == 1
    assert len(book.recent()) == 1
    book.close()


def test_at_night_only_what_is_urgent_and_the_rest_in_the_morning(tmp_path: Path) -> None:
    post = Post()
    alerting, book = an_alerting(tmp_path, post)
    night = NOON + 12 * HOUR_MS
    alerting.look(seen(night, HOUR_MS))
    assert post.taken == []
    book.update(night + MINUTE_MS, [AWAY])
    alerting.look(Facts(night + MINUTE_MS, 0))
    assert [subject.split(":")[1] for subject, _ in post.taken] == [" Radiogateway a is weg"]
    alerting.look(seen(night + 8 * HOUR_MS, 9 * HOUR_MS))
    assert any("Plein 1 is stil" in subject for subject, _ in post.taken)
    book.close()


def test_a_day_later_it_is_said_again(tmp_path: Path) -> None:
    post = Post()
    alerting, book = an_alerting(tmp_path, post)
    for hour in range(49):
        alerting.look(seen(NOON + hour * HOUR_MS, (hour + 1) * HOUR_MS))
    assert [subject.startswith("Meetnet: Nog steeds") for subject, _ in post.taken] == [False, True, True]
    book.close()


def test_what_could_not_be_told_is_tried_again_also_after_a_restart(tmp_path: Path) -> None:
    post = Post()
    post.refuses = True
    alerting, book = an_alerting(tmp_path, post)
    alerting.look(seen(NOON, HOUR_MS))
    book.close()
    post.refuses = False
    alerting, book = an_alerting(tmp_path, post)
    alerting.look(seen(NOON + MINUTE_MS, HOUR_MS))
    alerting.look(seen(NOON + 2 * MINUTE_MS, HOUR_MS))
    assert len(post.taken) == 1
    assert len(book.open()) == 1
    book.close()


def test_who_took_it_is_not_told_again_because_another_did_not(tmp_path: Path) -> None:
    post = Post()
    post.refused = ("oud@stad.example",)  # has left; the server refuses the address for good
    both = {"mail_to": ("oud@stad.example", "wacht@stad.example")}
    alerting, book = an_alerting(tmp_path, post, **both)
    for minute in range(120):
        if minute == 60:  # a restart in between
            book.close()
            alerting, book = an_alerting(tmp_path, post, **both)
        alerting.look(seen(NOON + minute * MINUTE_MS, HOUR_MS + minute * MINUTE_MS))
    assert post.by_address.keys() == {"wacht@stad.example"}
    assert len(post.taken) == 1
    for minute in range(120, 150):
        alerting.look(seen(NOON + minute * MINUTE_MS, MINUTE_MS))
    assert [subject.startswith("Meetnet: Voorbij") for subject, _ in post.taken] == [False, True]
    assert b"stad.example" not in (tmp_path / "health.db").read_bytes()
    book.close()


def test_a_way_that_is_away_for_an_hour_gets_what_it_missed_once_and_a_wrong_one_holds_up_no_reminder(
    tmp_path: Path,
) -> None:
    post = Post()
    post.refused = ("a@stad.example", "b@stad.example")
    alerting, book = an_alerting(
        tmp_path, post, mail_to=("a@stad.example", "b@stad.example", "c@stad.example")
    )
    for minute in range(0, 51 * 60, 10):
        if minute == 60:
            post.refused = ("b@stad.example",)
        alerting.look(seen(NOON + minute * MINUTE_MS, HOUR_MS + minute * MINUTE_MS))
    again = [False, True, True]
    for address in ("a@stad.example", "c@stad.example"):
        said = [subject.startswith("Meetnet: Nog steeds") for subject in post.by_address[address]]
        assert said == again, address
    assert "b@stad.example" not in post.by_address
    book.close()


def test_a_mail_server_that_is_away_all_day_is_not_asked_each_minute_and_tells_it_when_it_is_back(
    tmp_path: Path,
) -> None:
    post = Post()
    asked: list[str] = []
    send = post.send
    post.send = lambda to, subject, text: asked.append(to) or send(to, subject, text)  # type: ignore[method-assign, func-returns-value]
    post.refuses = True
    alerting, book = an_alerting(tmp_path, post, quiet_from_h=0, quiet_to_h=0)
    for minute in range(0, 24 * 60, 5):
        alerting.look(seen(NOON + minute * MINUTE_MS, HOUR_MS + minute * MINUTE_MS))
    assert 40 <= len(asked) <= 60  # of 288 looks: the first hour often, then each half hour
    post.refuses = False
    for minute in range(24 * 60, 25 * 60, 5):
        alerting.look(seen(NOON + minute * MINUTE_MS, HOUR_MS + minute * MINUTE_MS))
    assert len(post.taken) == 1
    book.close()


def test_a_restart_ends_nothing_at_once(tmp_path: Path) -> None:
    book = IncidentBook(tmp_path / "health.db")
    book.update(NOON, [SILENT])
    book.close()
    book = IncidentBook(tmp_path / "health.db")
    book.update(NOON + MINUTE_MS, [])
    assert len(book.open()) == 1
    book.update(NOON + MINUTE_MS + CALM_MS, [])
    assert book.open() == []
    assert book.recent()[0].closed_ms == NOON + MINUTE_MS + CALM_MS
    book.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_has_its_sentence_and_step_in_every_language(cause: str, language: str) -> None:
    what, step = told(Incident("k", cause, "Plein 1", 0, ("e",), FIGURES), language)
    assert len(what) > 10
    assert len(step) > 10 or not CAUSES[cause].alert
    assert not re.search(r"[{}]", what + step)
    for audience in CAUSES[cause].words:
        assert "." in told(Incident("k", cause, "Plein 1", 0, ("e",), FIGURES), language, audience)[0]


def test_sentences_of_all_languages_have_the_same_places() -> None:
    for cause in CAUSES.values():
        for audience, by_language in cause.words.items():
            assert set(by_language) == set(LANGUAGES), cause.name
            places = [[set(re.findall(r"{(\w+)}", text)) for text in pair] for pair in by_language.values()]
            assert all(one == places[0] for one in places), cause.name
            assert audience == "team" or places[0] == [set(), set()], cause.name


def test_what_a_node_says_is_what_the_gateway_says_of_it() -> None:
    assert sentences.TARGET.read_text(encoding="utf-8") == sentences.text(), "run python -m tools.sentences"
    codes = {row[0] for row in causes.ROWS}
    assert set(status.NETWORK_FAILURES) - {0} <= codes | set(causes.WIRES)
    every = status.Status(*[0] * len(status.Status.FIELDS))
    every.flags, every.sensors, every.last_failure, every.waiting = 0xFF, [NO_ANSWER], 5, 1
    every.time_age_h, every.dropped = 255, 1
    assert set(causes.of_status(every)) <= codes
    ours = {cause.name for cause in CAUSES.values() if cause.code is not None}
    assert ours == {row[1] for row in causes.ROWS}


def test_an_incident_of_an_older_version_is_shown_by_its_name() -> None:
    assert told(Incident("sensor:1", "sensor", "Plein 1", 0), "nl") == ("sensor: Plein 1", "")


def test_a_wide_cause_names_its_sites_and_not_all_of_four_hundred() -> None:
    _, text = message(AWAY, [f"Plein {n}" for n in range(40)], "nl")
    assert "Plein 0, Plein 1" in text
    assert "en nog 28" in text
    assert "Plein 12," not in text


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "health.db").write_bytes(
        b"not a database, though long enough to look like a page of one" * 20
    )
    with pytest.raises(StoreError, match=r"health.db .* only the history of incidents is lost"):
        IncidentBook(tmp_path / "health.db")


def test_every_command_that_a_sentence_names_is_there() -> None:
    context = click.Context(main)
    text = " ".join(
        step for cause in CAUSES.values() for by in cause.words.values() for _, step in by.values()
    )
    named = set(re.findall(r"meetnet ([a-z]+)(?: ([a-z-]+))?", text))
    assert ("publish", "show") in named
    for name, below in named:
        command = main.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            assert command.get_command(context, below) is not None, f"{name} {below}"
