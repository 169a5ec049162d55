from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, load
from gateway.errors import ConfigError
from gateway.outlets import check_publishers
from gateway.settings import SETTINGS, Setting, markdown

WRONG_BY_KIND: dict[str, list[Any]] = {
    "flag": ["yes", 1, None, []],
    "whole": ["12", 1.5, True, None, [1]],
    "number": ["0.2", True, None, math.nan, math.inf],
    "text": [1, True, None, ["x"]],
    "path": [1, True, None, "with\0zero"],
    "list": ["one", 1, [1, 2], {"a": 1}],
}


def wrong_values(setting: Setting) -> list[Any]:
    found = list(WRONG_BY_KIND[setting.kind])
    if setting.kind in ("whole", "number"):
        found += [setting.low - 1, setting.high + 1]
    elif setting.kind in ("text", "path"):
        found.append("x" * int(setting.high + 1))
        if setting.low:
            found.append("")
    elif setting.kind == "list":
        found.append(["x"] * int(setting.high + 1))
    return found


CASES = [(setting, value) for setting in SETTINGS for value in wrong_values(setting)]


@pytest.mark.parametrize(("setting", "value"), CASES, ids=lambda case: str(getattr(case, "key", case))[:20])
def test_every_wrong_value_names_key_value_what_is_allowed_and_the_default(
    setting: Setting, value: Any
) -> None:
    with pytest.raises(ConfigError) as caught:
        Config({setting.key: value})
    message = str(caught.value)
    assert caught.value.key == setting.key
    assert message.startswith(setting.key)
    assert repr(value)[:30].split("'x'")[0] in message or "..." in message
    assert setting.allowed in message
    assert "left out it is" in message


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_default_is_allowed_and_described(setting: Setting) -> None:
    assert Config({setting.key: setting.default}).as_dict()[setting.key] == setting.default
    assert len(setting.text) > 10


def write(path: Path, text: str) -> Path:
    file = path / "meetnet.toml"
    file.write_text(text)
    return file


def test_a_file_is_read_and_paths_are_relative_to_it(tmp_path: Path) -> None:
    config = load(write(tmp_path, '[data]\ndirectory = "here"\n[web]\nport = 9000\n[lns]\ngathering_s = 0\n'))
    assert config.directory == tmp_path / "here"
    assert config.whole("web.port") == 9000
    assert config.number("lns.gathering_s") == 0.0
    assert config.whole("broker.port") == 1883


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        ("[web]\nprot = 1\n", "web.prot", 'did you mean "web.port"'),
        ("[wbe]\nport = 1\n", "wbe", 'did you mean "web"'),
        ("web = 3\n", "web", r"write \[web\]"),
        ("[web\n", "file", "correct that line"),
        ("[web]\nport = 99999\n", "web.port", "0 to 65535"),
        ("[publish]\nngsi_ld = 1\n", "publish.ngsi_ld", r"write \[publish.ngsi_ld\]"),
    ],
)
def test_a_wrong_file_names_what_is_wrong_and_the_remedy(
    tmp_path: Path, text: str, key: str, remedy: str
) -> None:
    with pytest.raises(ConfigError, match=remedy) as caught:
        load(write(tmp_path, text))
    assert caught.value.key == key


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give another path"):
        load(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b'[web]\ntitle = "\xe9"\n')
    with pytest.raises(ConfigError, match="not UTF-8 at byte 15"):
        load(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[publish.other]\nurl = "http://x"\n', "publish.other.type"),
        ('[publish.city]\ntype = "ngsi_ld"\nurl = "no address"\n', "publish.city.url"),
        ('[publish.ngsi_ld]\nurl = "http://x"\nurll = 1\n', "publish.ngsi_ld.urll"),
        ('[publish.ngsi_ld]\nurl = "http://x"\nmax_entities = "many"\n', "publish.ngsi_ld"),
        ('[publish.ngsi_ld]\nurl = "http://x"\ntoken_file = "absent"\n', "publish.ngsi_ld.token_file"),
        ("[publish.ngsi_ld]\n", "publish.ngsi_ld"),
    ],
)
def test_publishers_are_checked_before_anything_starts(tmp_path: Path, table: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_publishers(load(write(tmp_path, table)))
    assert caught.value.key == key


def test_a_token_comes_from_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret-token\n")
    config = load(write(tmp_path, '[publish.a]\ntype = "ngsi_ld"\nurl = "http://x"\ntoken_file = "token"\n'))
    ((_, settings),) = check_publishers(config)
    assert settings.token == "s3cret-token"
    assert settings.name == "a"
    assert "s3cret" not in repr(settings)


def test_the_readmes_table_is_the_one_of_the_settings() -> None:
    readme = (Path(__file__).parents[2] / "gateway" / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- settings -->\n(.*)\n<!-- /settings -->", readme, re.DOTALL)
    assert found is not None
    assert found[1] == markdown(), "gateway/README.md: replace the table by gateway.settings.markdown()"
