"""config.json: every key has a range and a remedy; what is wrong takes its default and is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.config import KEYS, load

GOOD: dict[str, Any] = {
    "schema": 1,
    "kind": "air",
    "board": "sim_air",
    "interval_s": 300,
    "radio": "lorawan",
    "dev_eui": "70B3D57ED0000001",
    "join_eui": "70b3d57ed0000000",
    "app_key": "000102030405060708090a0b0c0d0e0f",
}


def test_a_good_configuration_has_no_errors_and_lower_case_addresses() -> None:
    config, errors = load(json.dumps(GOOD))
    assert errors == []
    assert config["dev_eui"] == "70b3d57ed0000001"
    assert config["status_s"] == 86400
    assert config["mqtt.user"] == "70b3d57ed0000001"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"x"', "\x00", "{}", '{"schema": 2}'])
def test_no_text_stops_the_node(text: str) -> None:
    config, errors = load(text)
    assert errors
    assert config["interval_s"] == 300


WRONG = {
    "int": [-(10**9), 10**9, "5", 1.5, True, None],
    "choice": ["nonsense", 5, None],
    "hex": ["xyz", "12", 5, None],
    "secret_hex": ["xyz", "12", 5, None],
    "text": [5, "x" * 4000, None],
    "secret": [5, "x" * 4000, None],
}


@pytest.mark.parametrize("row", KEYS, ids=lambda row: row[0])
def test_each_key_is_checked_and_the_error_names_it_with_its_remedy_and_not_its_value(row: tuple) -> None:
    key, kind, default, _low, _high, remedy = row
    for value in WRONG[kind]:
        data: dict[str, Any] = json.loads(json.dumps(GOOD))
        place = data
        *parents, leaf = key.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
        config, errors = load(json.dumps(data))
        assert any(error.startswith(key + " ") and remedy in error for error in errors), (value, errors)
        if kind.startswith("secret") and isinstance(value, str):
            assert not any(value in error for error in errors if len(value) > 2)
        if key != "mqtt.user":  # which then is the DevEUI
            assert config[key] == default


@pytest.mark.parametrize(
    ("radio", "missing"),
    [("lorawan", ["app_key"]), ("mqtt", ["wifi.ssid", "mqtt.host", "mqtt.password"]), ("none", [])],
)
def test_what_the_radio_needs_is_asked_for(radio: str, missing: list[str]) -> None:
    data = {k: v for k, v in GOOD.items() if k != "app_key"} | {"radio": radio}
    config, errors = load(json.dumps(data))
    assert config["radio"] == "none"  # nothing is sent with keys that are not there
    assert [error.split(" ")[0] for error in errors] == missing


def test_secrets_are_in_no_repr_and_no_hash() -> None:
    config, _ = load(json.dumps(GOOD))
    other, _ = load(json.dumps(GOOD | {"app_key": "ff" * 16}))
    faster, _ = load(json.dumps(GOOD | {"interval_s": 60}))
    assert "0c0d0e" not in repr(config)
    assert config.hash4() == other.hash4()
    assert config.hash4() != faster.hash4()
    assert len(config.hash4()) == 4


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([row[0].split(".")[0] for row in KEYS]), inner, max_size=5)
        ),
        max_leaves=20,
    )
)
def test_any_json_gives_a_configuration_in_range(data: object) -> None:
    config, _errors = load(json.dumps(data))
    for key, kind, _default, low, high, _remedy in KEYS:
        if kind == "int":
            assert low <= config[key] <= high
        if kind == "choice":
            assert config[key] in low
