"""Figures of the straight line, as JSON: `python -m tests.bench.street [--hours H] [--live S]`.

first_value_s  from the start of the demo, at real-time speed, to the first value on its page
day            H virtual hours (24) of the 12-node street, gateway included, as fast as two cores go
gateway_rss_mb resident memory of a gateway process with the 12-node street as another process, after
               S real seconds (60) at four times real time; the most it ever had

All run this tree's code on this machine, one after the other; nothing else should be busy.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, "-m", "tools.street_demo", "--json", "--port", "0"]
MEETNET = [sys.executable, "-c", "from gateway.cli import main; main()"]
MB = 1024 * 1024


def demo(*arguments: str, timeout_s: float) -> dict[str, Any]:
    """Run the demo and return its events by name."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*DEMO, "--data", folder, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=True,
        )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {row["event"]: row for row in rows}


def day(hours: float) -> dict[str, Any]:
    """Return what a virtual run of the 12-node street cost."""
    stopped = demo("--virtual", str(hours), timeout_s=3600)["stopped"]
    run_s = stopped["run_s"] - stopped["ready_s"]
    return {
        "virtual_h": hours,
        "real_s": round(run_s, 1),
        "real_s_a_day": round(run_s * 24 / hours, 1),
        "records": stopped["records"],
        "frames": stopped["uplinks"],
        "bus_transactions": stopped["bus_transactions"],
        "rss_mb_gateway_and_world": stopped["rss_mb"],
    }


def gateway_memory(live_s: float) -> dict[str, Any]:
    """Return the memory of a gateway process that serves the street from another process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "meetnet.toml").write_text(
            "[web]\nport = 0\n[broker]\nport = 0\n[semtech_udp]\nport = 0\n", encoding="utf-8"
        )
        config = ["-c", str(folder / "meetnet.toml"), "--data", str(folder / "data")]
        street = [*MEETNET, "simulate", "--out", str(folder / "street"), "--json"]
        run(*street, "--duration", "1s")
        run(*MEETNET, "device", "add", *config, "--from", str(folder / "street" / "street.json"))
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'firmware'}"}
        service = subprocess.Popen(
            [*MEETNET, "gateway", "run", *config, "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        try:
            assert service.stdout is not None
            text = ""
            while "}" not in text or text.count("{") != text.count("}"):
                text += service.stdout.readline()
            ports = json.loads(text)["ports"]
            run(
                *street,
                *("--gateway", f"127.0.0.1:{ports['semtech_udp']}", "--mqtt", f"127.0.0.1:{ports['broker']}"),
                *("--speed", "4", "--duration", f"{round(4 * live_s)}s", "--interval", "60"),
            )
            memory = psutil.Process(service.pid).memory_info()
            status = json.loads(run(*MEETNET, "status", *config, "--json"))
            return {
                "rss_mb": round(memory.rss / MB, 1),
                "virtual_s": 4 * live_s,
                "devices_heard": sum(1 for device in status["devices"] if device["seen"]),
                "records": status["counters"]["pipeline.records"]["count"],
            }
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(20)


def run(*command: str) -> str:
    """Run a command and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'firmware'}"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--live", type=float, default=60.0)
    options = parser.parse_args()
    first = demo("--until-value", timeout_s=120)
    figures = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "first_value_s": first["first_value"]["seconds"],
        "day": day(options.hours),
        "gateway": gateway_memory(options.live),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
