from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from gateway.decode.foreign import loading
from gateway.registry import Registry
from gateway.registry.accounts import Accounts
from gateway.registry.foreign import eui_of

from .test_cli import meetnet

README = Path(loading.__file__).with_name("README.md").read_text()
PLACE = ["--longitude", "4.89", "--latitude", "52.37"]


def test_the_readme_s_own_profile_is_right(tmp_path: Path) -> None:
    found = re.search(r"^```toml\n(.*?)^```", README, re.S | re.M)
    assert found is not None
    (tmp_path / "my-sensor.toml").write_text(found[1])
    assert meetnet("profile", "check", tmp_path / "my-sensor.toml").output.endswith("right\n")
    result = meetnet(
        "profile", "try", tmp_path / "my-sensor.toml", "66080C1C0169000000", "--port", "2", "--json"
    )
    (record,) = json.loads(result.stdout)["records"]
    assert [(r["quantity"], r["value"]) for r in record["readings"]] == [
        ("temperature", 21.5),
        ("battery", 3100),
    ]


def test_profiles_are_listed_tried_and_checked(tmp_path: Path) -> None:
    listed = json.loads(meetnet("profile", "list", "--data", tmp_path, "--json").stdout)
    assert {"airrohr", "senml", "cayenne", "ttn-normalized"} <= {row["name"] for row in listed["profiles"]}
    shown = meetnet("profile", "try", "milesight-em300-th", "01755C03673401046865").stdout
    assert "temperature        30.8   Cel" in shown
    assert meetnet("profile", "try", "object", '{"co2": 400}').exit_code == 0
    for words, why in (
        (("milesight-em300-th", "05FF"), "unknown tag 05ff"),
        (("milesight-em300-th", "zz"), "is no hex"),
        (("milesight", "00"), "did you mean"),
        (("senml", '[{"n":"temperature","u":"ppm","v":1}]'), "unit 'ppm' is none of temperature"),
    ):
        result = meetnet("profile", "try", *words)
        assert (result.exit_code, why in result.stderr) == (1, True), result.output
    (tmp_path / "bad.toml").write_text(
        'title="x"\nformat="json"\n[[field]]\nname="t"\nquantity="temperature"\nunit="Cel"\n'
        "[[test]]\ntext='{\"t\": 1}'\nexpect = {temperature = 2}\n"
    )
    wrong = meetnet("profile", "check", tmp_path / "bad.toml")
    assert (wrong.exit_code, "temperature is 1.0, not 2" in wrong.stderr) == (4, True)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "bad.toml").write_text("x")
    broken = meetnet("profile", "list", "--data", tmp_path)
    assert (broken.exit_code, "bad.toml" in broken.stderr) == (4, True)


def test_strangers_are_registered_by_options_and_csv_and_come_out_again(tmp_path: Path) -> None:
    data = ["--data", tmp_path]
    one = [
        "--profile",
        "dragino-lht65",
        "--dev-eui",
        "a84041000181c061",
        "--kind",
        "garden",
        "--site",
        "tuin-9",
    ]
    assert meetnet("device", "add", *data, *one, *PLACE).output == "1 added\n"
    two = [
        "--profile",
        "airrohr",
        "--alias",
        "esp8266-123",
        "--transport",
        "http",
        "--kind",
        "air",
        "--site",
        "t-4",
    ]
    assert meetnet("device", "add", *data, *two, *PLACE).output == "1 added\n"
    assert meetnet("device", "add", *data, *two, *PLACE).output == "1 unchanged\n"
    registry = Registry(tmp_path)
    assert registry.named("esp8266-123") == eui_of("esp8266-123")
    assert registry.profile_of("a84041000181c061") == "dragino-lht65"
    registry.close()
    text = meetnet("device", "list", *data, "--csv").stdout
    rows = {row["alias"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows["esp8266-123"]["profile"] == "airrohr"
    file = tmp_path / "devices.csv"
    file.write_text(text)
    assert meetnet("device", "add", "--data", tmp_path / "other", "--from", file).output == "2 added\n"
    assert meetnet("device", "list", "--data", tmp_path / "other", "--csv").stdout == text
    file.write_text(text.replace("airrohr", "airror"))
    refused = meetnet("device", "add", "--data", tmp_path / "third", "--from", file)
    assert (refused.exit_code, "there is no 'airror'" in refused.stderr) == (4, True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (["--alias", "a84041000181c061"], "alias"),
        (["--alias", "a b"], "alias"),
        (["--site", "esp8266-1-tuin", "--alias", "esp8266-1"], "contains the alias"),
        (["--profile", "nothing"], "there is no 'nothing'"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, change: list[str], why: str) -> None:
    words = [
        "--alias",
        "esp-1",
        "--profile",
        "airrohr",
        "--transport",
        "http",
        "--kind",
        "air",
        "--site",
        "s",
    ]
    result = meetnet("device", "add", "--data", tmp_path, *words, *PLACE, *change)
    assert (result.exit_code, why in result.stderr) == (1, True), result.output


def test_an_alias_belongs_to_one_device(tmp_path: Path) -> None:
    words = ["--profile", "airrohr", "--transport", "http", "--kind", "air", *PLACE, "--data", tmp_path]
    assert meetnet("device", "add", *words, "--site", "s", "--alias", "esp-1").exit_code == 0
    other = meetnet(
        "device", "add", *words, "--site", "t", "--alias", "esp-1", "--dev-eui", "a84041000181c061"
    )
    assert (other.exit_code, "give each device its own" in other.stderr) == (1, True)


def test_a_token_is_shown_once_kept_as_a_hash_and_written_down(tmp_path: Path) -> None:
    words = ["--profile", "airrohr", "--transport", "http", "--kind", "air", *PLACE, "--data", tmp_path]
    meetnet("device", "add", *words, "--site", "s", "--alias", "esp-1")
    first = meetnet("device", "token", "esp-1", "--data", tmp_path).stdout.strip()
    second = json.loads(meetnet("device", "token", "esp-1", "--data", tmp_path, "--json").stdout)["token"]
    registry, dev_eui = Registry(tmp_path), eui_of("esp-1")
    assert (registry.check_password(dev_eui, first), registry.check_password(dev_eui, second)) == (
        False,
        True,
    )
    assert meetnet("device", "token", "esp-1", "--data", tmp_path, "--revoke").exit_code == 0
    assert not registry.check_password(dev_eui, second)
    registry.close()
    accounts = Accounts(tmp_path)
    acts = [(entry.action, entry.subject) for entry in accounts.audit()]
    accounts.close()
    assert acts == [("device.secret_revoked", dev_eui), *[("device.secret_changed", dev_eui)] * 2]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert first.encode() not in path.read_bytes()
            assert second.encode() not in path.read_bytes()
    assert meetnet("device", "token", "esp-9", "--data", tmp_path).exit_code == 1
