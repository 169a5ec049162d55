"""Render the enclosure: `python -m tools.hardware.enclosure [--out FOLDER] [--kind KIND] [--set NAME=VALUE]`.

Every kind and part of hardware/enclosure/meetnet.scad becomes an STL file in build/enclosure, evaluated by
openscad-evaluator and Manifold (both from PyPI): no OpenSCAD is needed. Sizes, volume and grams are printed.

Exit codes: 0 done, 1 a part is no closed solid, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import re
import struct
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "hardware" / "enclosure" / "meetnet.scad"
KINDS = ("air", "noise", "bin", "garden")
PARTS = ("body", "lid", "shield")
ASA_G_CM3 = 1.07  # typical data sheet value of ASA filament


class EnclosureError(ValueError):
    """A parameter that the source does not have, or a part that is no closed solid."""


def source_with(text: str, **values: str) -> str:
    """Return the source with other parameters; values are OpenSCAD expressions."""
    for name, value in values.items():
        text, found = re.subn(
            rf"^{re.escape(name)} = [^;]*;", lambda _, n=name, v=value: f"{n} = {v};", text, flags=re.M
        )
        if not found:
            raise EnclosureError(f"{name}: is no parameter of {SOURCE.name}")
    return text


def solid(kind: str, part: str, **values: str) -> Any:
    """Return the Manifold of a part: one closed solid, in millimetres."""
    # Both packages come without types.
    from manifold3d import Manifold
    from openscad_evaluator import Evaluator  # pyright: ignore[reportMissingImports]
    from openscad_lalr_parser import build_scopes, getASTfromString  # pyright: ignore[reportMissingImports]

    text = source_with(SOURCE.read_text("utf-8"), kind=f'"{kind}"', part=f'"{part}"', **values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        nodes: Any = getASTfromString(text)
        told: list[str] = []

        def tell(*words: object) -> None:
            told.append(" ".join(str(word) for word in words))

        bodies: Any = Evaluator(echo_fn=tell).evaluate(nodes, build_scopes(nodes))[0]
    whole: Any = Manifold()
    for body in bodies:
        if body.body is None:
            raise EnclosureError(f"{kind} {part}: an open mesh, no solid: {' '.join(told)}")
        whole = whole + body.body
    if whole.is_empty() or whole.status().name != "NoError":
        raise EnclosureError(f"{kind} {part}: no closed solid ({whole.status().name}) {' '.join(told)}")
    return whole


def stl(whole: Any) -> bytes:
    """Return the solid as binary STL."""
    mesh = whole.to_mesh()
    points = np.asarray(mesh.vert_properties, dtype=np.float32)[:, :3]
    corners = points[np.asarray(mesh.tri_verts)]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.where(length > 0, length, 1)
    rows = np.zeros(len(corners), dtype=[("n", "<f4", 3), ("p", "<f4", (3, 3)), ("a", "<u2")])
    rows["n"], rows["p"] = normals, corners
    return b"Meetnet enclosure, millimetres".ljust(80) + struct.pack("<I", len(rows)) + rows.tobytes()


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.hardware.enclosure", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "enclosure", help="folder for the files")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind (may be given again)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="e.g. --set board=[51,26,14]"
    )
    options = parser.parse_args(arguments)
    values = dict(text.partition("=")[::2] for text in options.set)
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"{'FILE':<20}{'SIZE mm':>20}{'VOLUME cm3':>12}{'ASA g':>8}")
    for kind in options.kind or KINDS:
        for part in PARTS:
            try:
                whole = solid(kind, part, **values)
            except EnclosureError as error:
                print(f"enclosure: {error}", file=sys.stderr)
                return 1
            box = whole.bounding_box()
            size = " x ".join(f"{high - low:.1f}" for low, high in zip(box[:3], box[3:], strict=True))
            path = options.out / f"{kind}-{part}.stl"
            path.write_bytes(stl(whole))
            cm3 = whole.volume() / 1000
            print(f"{path.name:<20}{size:>20}{cm3:>12.1f}{cm3 * ASA_G_CM3:>8.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
