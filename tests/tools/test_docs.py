"""What the documents say can be typed: commands, options, modules, files and links exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest

from gateway.cli import main as meetnet
from tests.conftest import ROOT
from tools.hygiene import tracked_files

DOCUMENTS = sorted(path for path in tracked_files() if path.suffix == ".md")
BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.S | re.M)
INLINE = re.compile(r"`((?:meetnet|python -m|\.venv/bin/python -m|sh tools/)[^`\n]*)`")
LINK = re.compile(r"\]\(([^)#\s]+)\)")


def commands(text: str) -> list[str]:
    """Return the command lines of a document: those of its shell blocks and those within sentences."""
    lines: list[str] = []
    for block in BLOCK.findall(text):
        joined = block.replace("\\\n", " ")
        lines += [re.sub(r"\s+#.*$", "", line).strip() for line in joined.splitlines()]
    single = [part.strip() for line in [*lines, *INLINE.findall(text)] for part in re.split(r";|&&", line)]
    return [line for line in single if line and not line.startswith("#")]


def check_meetnet(words: list[str]) -> None:
    """Fail when a `meetnet` command line names a subcommand or an option that does not exist."""
    command: click.Command = meetnet
    rest = list(words)
    while isinstance(command, click.Group) and rest and not (rest[0].startswith("-") or rest[0].isupper()):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, f"no subcommand {rest[0]!r}"
        command, rest = found, rest[1:]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    known |= {"--help", "-h"}
    for word in rest:
        if re.match(r"^--?[a-zA-Z]", word):
            assert word.split("=")[0] in known, f"no option {word} of {command.name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_document_exists(document: Path) -> None:
    for line in commands(document.read_text(encoding="utf-8")):
        if "|" in line or "…" in line or "..." in line:
            line = re.split(r"\||…|\.\.\.", line)[0]
        try:
            words = shlex.split(line)
        except ValueError:
            continue
        words = [word for word in words if "=" not in word.split("/")[0] or word.startswith("-")]
        if not words:
            continue
        program = words[0].removeprefix(".venv/bin/")
        if program == "meetnet":
            check_meetnet(words[1:])
        elif program == "python" and words[1:2] == ["-m"] and len(words) > 2:
            module = words[2]
            if not module[0].isalpha():
                continue
            assert importlib.util.find_spec(module) is not None, f"{line}: no module {module}"
        elif program == "sh" and len(words) > 1:
            assert (ROOT / words[1]).is_file(), line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if not re.match(r"^[a-z]+:", target):
            assert (document.parent / target).exists(), target


def test_there_are_documents_and_they_hold_commands() -> None:
    assert len(DOCUMENTS) >= 8
    assert len(commands((ROOT / "README.md").read_text(encoding="utf-8"))) >= 6


def test_a_source_touches_what_the_gateways_page_says() -> None:
    text = (
        (ROOT / "gateway" / "README.md")
        .read_text("utf-8")
        .partition("## A source more")[2]
        .partition("## ")[0]
    )
    told = {
        name
        for line in text.splitlines()
        if line.startswith("|")
        for name in re.findall(r"`(\S+\.py)`", line)
    }
    gateway = ROOT / "gateway"
    own = (gateway / "ingest" / "ttn", gateway / "ingest" / "push")  # the other is its webhook
    touched = {
        path.relative_to(ROOT).as_posix()
        for path in gateway.rglob("*.py")
        if not any(folder in path.parents for folder in own)
        and re.search(r"""["'.]ttn["'.]|[_.]ttn\b""", re.sub(r"#.*", "", path.read_text("utf-8")))
    }
    assert touched - {"gateway/ways.py"} == told - {"gateway/ways.py", "ways.py"}
