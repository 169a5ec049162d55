"""The enclosure: closed solids of the right size in which everything has room; rendered for every kind."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools.hardware import enclosure

pytest.importorskip("openscad_evaluator", reason="needs openscad-evaluator (in tools/locks/test.txt)")

WALL = 2.4


def size(whole: Any) -> list[float]:
    box = whole.bounding_box()
    return [high - low for low, high in zip(box[:3], box[3:], strict=True)]


def read_stl(data: bytes) -> np.ndarray[Any, Any]:
    """Return the triangles of a binary STL: 80 bytes of head, a count, then 50 bytes each."""
    (n,) = struct.unpack_from("<I", data, 80)
    assert len(data) == 84 + 50 * n
    return np.array([struct.unpack_from("<9f", data, 84 + 50 * i + 12) for i in range(n)]).reshape(n, 3, 3)


@pytest.mark.parametrize("kind", enclosure.KINDS)
@pytest.mark.parametrize("part", enclosure.PARTS)
def test_every_part_is_one_watertight_piece_in_its_file(kind: str, part: str) -> None:
    whole = enclosure.solid(kind, part)
    assert len(whole.decompose()) == 1
    triangles = read_stl(enclosure.stl(whole))
    # Watertight: every edge is used once each way. Corners that meet have equal coordinates.
    names = {tuple(p): i for i, p in enumerate(np.unique(triangles.reshape(-1, 3), axis=0))}
    edges: Counter[tuple[int, int]] = Counter()
    for triangle in triangles:
        a, b, c = (names[tuple(p)] for p in triangle)
        edges.update([(a, b), (b, c), (c, a)])
    assert all(edges[b, a] == n for (a, b), n in edges.items())
    # Volume by the divergence theorem, which knows nothing of how the solid was made.
    volume = np.einsum("ij,ij->i", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])).sum() / 6
    assert volume == pytest.approx(whole.volume(), rel=1e-3)
    assert volume > 10_000
    assert max(size(whole)) < 200  # fits a small printer


@pytest.mark.parametrize("kind", enclosure.KINDS)
def test_everything_has_room_inside_and_the_lid_closes(kind: str) -> None:
    body, lid = enclosure.solid(kind, "body"), enclosure.solid(kind, "lid")
    contents, cord = enclosure.solid(kind, "contents"), enclosure.solid(kind, "cord")
    assert (body ^ contents).volume() < 1e-6
    assert contents.volume() == pytest.approx(sum(b.volume() for b in contents.decompose()))
    # Turned over onto the rim, the cord squeezed between them.
    height, depth = size(body)[2], size(enclosure.solid(kind, "contents"))[1]
    assert depth > 20
    over = lid.rotate([180, 0, 0])
    box, rim = over.bounding_box(), body.trim_by_plane([0, 0, 1], height - 1).bounding_box()
    centre = [(rim[i] + rim[i + 3] - box[i] - box[i + 3]) / 2 for i in (0, 1)]
    squeezed = size(cord)[2]
    closed = over.translate([*centre, height + squeezed + WALL - box[5]])
    assert (body ^ closed).volume() < 1e-6
    assert (contents ^ closed).volume() < 1e-6
    pressed = over.translate([*centre, height + squeezed + WALL - box[5] - 0.2])
    assert (body ^ pressed.translate([0, 0, -squeezed])).volume() > 1  # the rim ends in the channel
    # A screw goes through the lid into each column.
    for x in (4.5, size(body)[0] - 24 - 4.5):
        for y in (4.5, size(body)[1] - 4.5):
            screw = _cylinder(1.5, 9).translate([x, y, height - 7.9])
            assert (screw ^ body).volume() < 1e-3
            assert (_cylinder(1.5, 20).translate([x, y, height - 5]) ^ closed).volume() < 1e-3


def _cylinder(radius: float, height: float) -> Any:
    from manifold3d import Manifold

    return Manifold.cylinder(height, radius, radius, 24)


@pytest.mark.parametrize(
    ("kind", "holes"),
    # Ears and inserts (blind) beside: 2 ears; gland, antenna; then louvres, port, cone and window, glands.
    [("air", 2 + 2 + 5), ("noise", 2 + 2 + 1), ("bin", 2 + 2 + 2), ("garden", 2 + 3 + 1)],
)
def test_the_body_has_the_openings_of_its_kind_and_no_others(kind: str, holes: int) -> None:
    assert enclosure.solid(kind, "body").genus() == holes


def test_walls_are_as_thick_as_they_say_and_parameters_take_effect() -> None:
    body = enclosure.solid("noise", "body")
    low, high = body.slice(12.0).bounds()[:2], body.slice(12.0).bounds()[2:]
    middle = (low[1] + high[1]) / 2
    cut = body.trim_by_plane([0, 1, 0], middle - 0.5).trim_by_plane([0, -1, 0], -middle - 0.5)
    wall = cut.trim_by_plane([-1, 0, 0], -low[0] - 20).trim_by_plane([0, 0, 1], 18)
    assert size(wall)[0] == pytest.approx(WALL)
    wide = enclosure.solid("noise", "body", board="[90, 28, 16]")
    assert size(wide)[0] - size(body)[0] == pytest.approx(22)
    with pytest.raises(enclosure.EnclosureError, match="colour: is no parameter"):
        enclosure.solid("noise", "body", colour='"pink"')


def test_the_command_writes_the_files_and_says_what_they_weigh(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert enclosure.main(["--out", str(tmp_path), "--kind", "garden", "--set", "cell=[60, 30, 16]"]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"garden-{p}.stl" for p in ("body", "lid", "shield")
    ]
    assert "garden-shield.stl" in capsys.readouterr().out
