"""Two runs of one seed are the same to the byte: every frame on the air and every row in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator import street
from simulator.channel.frame import Frame
from simulator.channel.ideal import IdealChannel
from tests.system.house import run_house


class _Recorder(IdealChannel):
    """Keeps what was sent."""

    frames: list[tuple[int, int, int, str]]

    def __init__(self) -> None:
        super().__init__()
        _Recorder.frames = []

    def transmit(self, frame: Frame) -> None:
        _Recorder.frames.append((frame.start_us, frame.freq_hz, frame.sf, frame.payload.hex()))
        super().transmit(frame)


@pytest.mark.mpy
def test_two_runs_of_one_seed_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(street, "IdealChannel", _Recorder)
    runs: list[tuple[list[tuple[int, int, int, str]], list[str]]] = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        outcome = run_house(folder, nodes=4, virtual_s=900, start_s=1_790_000_000)
        runs.append((_Recorder.frames, [repr(o) for o in outcome.observations]))
    assert runs[0][0] == runs[1][0]
    assert runs[0][1] == runs[1][1]
    assert len(runs[0][0]) > 15
    assert len(runs[0][1]) > 30
