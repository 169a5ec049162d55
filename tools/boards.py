"""Generate firmware/boards/*.py from hardware/: one truth for pins, sensors, currents and wiring.

python tools/boards.py           write what changed
python tools/boards.py --check   write nothing; exit 1 and name what is out of date
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # started as a file
    sys.path.insert(0, str(ROOT))

from simulator import hardware  # noqa: E402
from simulator.nodeproc import SimulatorError  # noqa: E402

SOURCES = ROOT / "hardware" / "boards"
TARGET = ROOT / "firmware" / "boards"
_BUSES = ("i2c", "spi", "uart", "i2s")
_TOP = {"summary", "radio", "sensors", "energy", "board", *_BUSES}
_NEEDS = {
    "i2c": ("scl", "sda"),
    "spi": ("sck", "mosi", "miso"),
    "uart": ("tx", "rx"),
    "i2s": ("sck", "ws", "sd"),
}
_RADIO_NEEDS = {"sx126x": ("busy", "dio1"), "sx127x": ("dio0", "dio1")}
_LINE = 110


class BoardError(ValueError):
    """A board description that cannot be used; the text names file, key and remedy."""


def _fail(source: Path, key: str, text: str) -> BoardError:
    return BoardError(f"{source.name}: {key}: {text}")


def check(source: Path, board: dict[str, Any]) -> None:
    """Raise BoardError for a key that is unknown, missing or points nowhere."""
    for key in board:
        if key not in _TOP:
            raise _fail(source, key, f"is none of {', '.join(sorted(_TOP))}")
    if not isinstance(board.get("summary"), str):
        raise _fail(source, "summary", "say in a sentence what the board is")
    for kind in _BUSES:
        for number, row in board.get(kind, {}).items():
            for pin in _NEEDS[kind]:
                if not isinstance(row.get(pin), int):
                    raise _fail(source, f"{kind}.{number}.{pin}", "give the pin's number")
    radio = board.get("radio")
    if radio is not None:
        for key in ("chip", "spi", "nss", "reset", *_RADIO_NEEDS.get(radio.get("chip", ""), ())):
            if key not in radio:
                raise _fail(source, f"radio.{key}", "is missing")
        if str(radio["spi"]) not in board.get("spi", {}):
            raise _fail(source, "radio.spi", f"there is no spi.{radio['spi']}")
    for i, sensor in enumerate(board.get("sensors", [])):
        unknown = set(sensor) - {"driver", "bus", "options"}
        if "driver" not in sensor or unknown:
            raise _fail(source, f"sensors[{i}]", "has driver, and where needed bus and options, nothing else")
        buses = {number for kind in _BUSES for number in board.get(kind, {})}
        if "bus" in sensor and str(sensor["bus"]) not in buses:
            raise _fail(source, f"sensors[{i}].bus", f"there is no bus {sensor['bus']}")


def _literal(value: Any, room: int = 10**6, indent: int = 0) -> str:
    """Return a value as Python source; lists become tuples, so that the chip keeps them in flash.

    What does not fit in `room` characters gets a line an item, as `ruff format` lays it out.
    """
    if isinstance(value, dict):
        rows = cast("dict[str, Any]", value)
        heads = [(f"{_key(key)}: ", item) for key, item in rows.items()]
        left, right = "{", "}"
    elif isinstance(value, (list, tuple)):
        heads = [("", item) for item in cast("list[Any]", value)]
        left, right = "(", ")"
    elif isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    else:
        return repr(value)
    single = "," if left == "(" and len(heads) == 1 else ""
    flat = left + ", ".join(head + _literal(item) for head, item in heads) + single + right
    if len(flat) <= room:
        return flat
    pad = " " * (indent + 4)
    lines = [
        pad + head + _literal(item, _LINE - len(pad) - len(head) - 1, indent + 4) + ","
        for head, item in heads
    ]
    return "\n".join([left, *lines, " " * indent + right])


def _key(key: str) -> str:
    return key if key.isdigit() else f'"{key}"'


def _assignment(name: str, value: Any) -> str:
    return f"{name} = " + _literal(value, _LINE - len(name) - 3)


def module_text(source: Path) -> str:
    """Return the source of boards/<name>.py for a file that describes a whole node."""
    return text_of(source, tomllib.loads(source.read_text(encoding="utf-8")), source.name)


def text_of(source: Path, board: dict[str, Any], origin: str) -> str:
    """Return the source of a module of firmware/boards. origin: what it is made from, for its first lines."""
    check(source, board)
    lines = [
        f'"""{board["summary"]}.',
        "",
        *([f"{board['board']}.", ""] if "board" in board else []),
        f"Generated from hardware/boards/{origin} by tools/boards.py.",
        '"""',
        "",
    ]
    for kind in _BUSES:
        if kind in board:
            lines.append(_assignment(kind.upper(), board[kind]))
    if "radio" in board:
        lines.append(_assignment("RADIO", board["radio"]))
    if "energy" in board:
        lines.append(_assignment("ENERGY", board["energy"]))
    rows = [(row["driver"], row.get("bus"), row.get("options")) for row in board.get("sensors", [])]
    many = len(rows) > 1  # a tuple of one goes on one line, as `ruff format` has it
    lines.append("SENSORS = " + _literal(rows, 0 if many else _LINE - len("SENSORS = ")))
    return "\n".join(lines) + "\n"


def expected() -> dict[Path, str]:
    """Return every generated file with its text."""
    files = {TARGET / "__init__.py": '"""Boards, one module each; generated by tools/boards.py."""\n'}
    for source in sorted(SOURCES.glob("*.toml")):
        if "kits" not in hardware.read(source):
            files[TARGET / (source.stem.replace("-", "_") + ".py")] = module_text(source)
    for name, node in hardware.nodes().items():
        stem = name[: -len(node.kit_name) - 1]
        origin = f"{stem}.toml and kits/{node.kit_name}.toml"
        files[TARGET / f"{name}.py"] = text_of(SOURCES / f"{stem}.toml", node.description, origin)
    return files


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    try:
        files = expected()
    except (BoardError, SimulatorError, tomllib.TOMLDecodeError) as error:
        print(f"boards: {error}", file=sys.stderr)
        return 2
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    stray = [path for path in TARGET.glob("*.py") if path not in files]
    if "--check" in arguments:
        for path in stale + stray:
            print(
                f"boards: {path.relative_to(ROOT)} is out of date: run python tools/boards.py",
                file=sys.stderr,
            )
        return 1 if stale or stray else 0
    TARGET.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(files[path], encoding="utf-8")
        print(f"boards: wrote {path.relative_to(ROOT)}")
    for path in stray:
        path.unlink()
        print(f"boards: removed {path.relative_to(ROOT)}, it has no description")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
