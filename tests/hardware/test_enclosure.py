"""The enclosure renders to a closed solid of the right size for every kind; needs OpenSCAD."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "hardware" / "enclosure" / "meetnet.scad"


def test_every_kind_and_part_is_named_in_the_source() -> None:
    text = SOURCE.read_text()
    for kind in ("air", "noise", "bin", "garden"):
        assert f'"{kind}"' in text or kind in text.splitlines()[4]
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["air", "noise", "bin", "garden"])
@pytest.mark.parametrize("part", ["body", "lid"])
def test_it_renders_to_a_solid(tmp_path: Path, kind: str, part: str) -> None:
    openscad = shutil.which("openscad")
    if openscad is None:
        pytest.skip("openscad is not installed: the enclosure is not rendered here")
    out = tmp_path / "out.stl"
    done = subprocess.run(
        [openscad, "-D", f'kind="{kind}"', "-D", f'part="{part}"', "-o", str(out), str(SOURCE)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    numbers = [float(n) for line in re.findall(r"vertex (.*)", out.read_text()) for n in line.split()]
    assert max(numbers) - min(numbers) > 60  # as long as the board
