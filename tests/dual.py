"""One harness for both Pythons: the same code and the same vectors on CPython and on MicroPython.

A dual script is a file `tests/dual_scripts/<name>.py` in the MicroPython subset that defines
`run(data)`: data and result are JSON values (bytes travel as hex). `run_on_both(name, data)` runs it
in this process and in the MicroPython unix port, asserts that both results are equal, and returns it;
the test then compares it with a value that comes from outside.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(__file__).resolve().parent / "dual_scripts"

_DRIVER = """
import json, sys
sys.path.insert(0, {scripts!r})
module = __import__({name!r})
with open({data!r}) as f:
    data = json.load(f)
result = module.run(data)
with open({out!r}, "w") as f:
    json.dump(result, f)
"""


def micropython(
    code: str,
    *,
    heap: str = "2m",
    path: tuple[Path | str, ...] = (),
    cwd: Path | None = None,
    timeout_s: float = 60,
) -> str:
    """Run code in the MicroPython unix port with `firmware/` on its path; return what it printed.

    heap is the -X heapsize; an exit code other than 0 fails the test with the traceback.
    """
    env = dict(os.environ)
    env["MICROPYPATH"] = ":".join([*map(str, path), str(ROOT / "firmware"), str(ROOT / "tests"), ".frozen"])
    # The port lives in a CPython extension module; -c keeps this independent of where scripts were installed.
    start = "import sys, micropython_unix as m; sys.exit(m.main())"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "dual.py"
        script.write_text(code)
        done = subprocess.run(
            [sys.executable, "-c", start, "-X", f"heapsize={heap}", str(script)],
            env=env,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    said = done.stdout[-4000:] + done.stderr[-4000:]
    assert done.returncode == 0, f"MicroPython ended with {done.returncode}: {said}"
    return done.stdout


def run_on_micropython(name: str, data: Any, *, heap: str = "2m", timeout_s: float = 60) -> Any:
    """Run tests/dual_scripts/<name>.py's run(data) in the unix port."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "data.json", Path(folder) / "out.json"
        source.write_text(json.dumps(data))
        micropython(
            _DRIVER.format(scripts=str(SCRIPTS), name=name, data=str(source), out=str(out)),
            heap=heap,
            timeout_s=timeout_s,
        )
        return json.loads(out.read_text())


def run_on_cpython(name: str, data: Any) -> Any:
    """Run the same script in this process."""
    spec = importlib.util.spec_from_file_location(f"dual_scripts_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return json.loads(json.dumps(module.run(json.loads(json.dumps(data)))))


def run_on_both(name: str, data: Any, *, heap: str = "2m", timeout_s: float = 60) -> Any:
    """Run on both Pythons, assert equality, return the result."""
    here = run_on_cpython(name, data)
    there = run_on_micropython(name, data, heap=heap, timeout_s=timeout_s)
    assert here == there, f"the two Pythons differ in {name}"
    return here
