"""The schema of config.json: equal to the firmware's own table, as jsonschema and the firmware judge it."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import pytest

from gateway import node_config
from node import config as firmware
from tools import config_schema
from wire import commands


def test_the_file_is_what_the_firmware_table_says() -> None:
    assert config_schema.TARGET.read_text(encoding="utf-8") == config_schema.text(), (
        "run python -m tools.config_schema"
    )


def test_it_is_a_json_schema_and_every_key_has_words_in_three_languages() -> None:
    jsonschema.Draft202012Validator.check_schema(node_config.schema())
    assert set(node_config.keys()) == {row[0] for row in firmware.KEYS}
    for key in node_config.keys().values():
        assert set(key.title) == {"nl", "fr", "en"}
        assert all(len(title) >= 3 for title in key.title.values()), key.name


def test_secrets_have_no_default_and_may_not_be_read_back() -> None:
    secret = {key.name for key in node_config.keys().values() if key.secret}
    assert secret == {"app_key", "wifi.password", "mqtt.password"}
    assert not any("default" in node_config.keys()[name].rules for name in secret)


def test_downlinks_know_the_same_ranges() -> None:
    numbered = {key.downlink: key for key in node_config.keys().values() if key.downlink is not None}
    assert set(numbered) == {row[0] for row in commands.KEYS}
    for number, name, low, high in commands.KEYS:
        assert numbered[number].name == name
        assert (numbered[number].rules["minimum"], numbered[number].rules["maximum"]) == (low, high)


def _values(chance: random.Random, rules: dict[str, Any]) -> Any:
    near = [
        rules.get("minimum", 0) - 1,
        rules.get("minimum", 0),
        rules.get("maximum", 9),
        rules.get("maximum", 9) + 1,
    ]
    hexes = ["0f" * 8, "0F" * 16, "0g" * 8, "0f" * 7]
    texts = ["x" * n for n in (0, 1, 32, 33, 63, 64, 65, 200, 201, 253, 254)]
    return chance.choice([*near, *rules.get("enum", []), *hexes, *texts, True, False, None, 1.5, [], "air"])


@pytest.mark.parametrize("seed", range(20))
def test_firmware_gateway_and_jsonschema_agree_on_any_value(seed: int) -> None:
    chance = random.Random(seed)
    validator = jsonschema.Draft202012Validator(node_config.schema())
    for key in node_config.keys().values():
        value = _values(chance, key.rules)
        document: dict[str, Any] = {"schema": 1}
        home = document
        *parents, name = key.name.split(".")
        for parent in parents:
            home = home.setdefault(parent, {})
        home[name] = value
        told = [error for error in firmware.load(json.dumps(document))[1] if error.startswith(key.name + " ")]
        at_the_node = bool([error for error in told if " is missing" not in error])
        assert (key.fault(value) is not None) == at_the_node, (key.name, value)
        assert (not validator.is_valid(document)) == at_the_node, (key.name, value)
