"""Traces of one reading through all stages, judged by OpenTelemetry's own in-memory exporter."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.publish.base import Outcome as Sent
from gateway.publish.base import Packed, Parcel
from gateway.tracing import Traces, processor_of
from tests.conftest import ROOT

from .house import AIR, T0_MS, SetClock, a_record, an_uplink, fill_registry

sdk = pytest.importorskip("opentelemetry.sdk.trace.export", reason="pip install 'meetnet[tracing]'")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")


class Platform:
    name = "stad"

    def __init__(self) -> None:
        self.got: list[int] = []

    def pack(self, rows: Any, sites: Any) -> Packed:
        return Packed([Parcel(tuple(rows), None)], [])

    async def send(self, parcel: Parcel, attempt: int) -> Sent:
        self.got += [row.position for row in parcel.rows]
        return Sent()

    async def close(self) -> None:
        pass


@contextlib.asynccontextmanager
async def running(path: Path, **changes: Any):
    values = {
        "data.directory": str(path),
        "data.segment_mib": 1,
        "web.enabled": False,
        "broker.enabled": False,
    }
    platform = Platform()
    gateway = Gateway(Config(values | {"semtech_udp.port": 0} | changes), SetClock(T0_MS + 10**7), [platform])
    await gateway.start()
    try:
        fill_registry(gateway.registry)
        yield gateway, platform
    finally:
        await gateway.stop()


async def until(done: Any) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - the threads of others have no event
            await asyncio.sleep(0.02)


async def test_one_reading_is_one_trace_from_its_reception_to_each_recipient(tmp_path: Path) -> None:
    exporter = memory.InMemorySpanExporter()
    async with running(tmp_path) as (gateway, platform):
        gateway.traces.start(sdk.SimpleSpanProcessor(exporter), "meetnet-test", 50)
        for follower in gateway.outward.followers.values():
            follower.on_sent = gateway.traces.sent
        for n in range(4):
            await gateway.log.accept(an_uplink(a_record(n, T0_MS + n * 60_000, temperature=20 + n)))
        await gateway.log.accept(an_uplink(a_record(8, T0_MS, temperature=1), dev_eui="70b3d57ed0000099"))
        await gateway.log.accept(an_uplink(a_record(9, T0_MS, temperature=1), dev_eui="70b3d57ed0000099"))
        await gateway.drained()
        await until(lambda: len(platform.got) >= 4)
        await until(lambda: sum(s.name == "publish stad" for s in exporter.get_finished_spans()) >= 2)
        spans = exporter.get_finished_spans()
    traces: dict[int, dict[str, Any]] = {}
    for span in spans:
        traces.setdefault(span.context.trace_id, {})[span.name] = span
    whole = [found for found in traces.values() if found["reading"].attributes["meetnet.sites"]]
    assert len(whole) == 2  # every second of four
    for found in whole:
        assert set(found) == {"reading", "ingest", "decode", "quality", "store", "publish stad"}
        root = found["reading"]
        assert root.resource.attributes["service.name"] == "meetnet-test"
        assert root.attributes["meetnet.sites"] == ("plein-1",)
        assert found["quality"].attributes["meetnet.quantities"] == ("temperature",)
        for name, span in found.items():
            assert span.start_time <= span.end_time
            if name != "reading":
                assert span.parent.span_id == root.context.span_id
        assert (
            found["decode"].end_time <= found["quality"].end_time <= found["store"].end_time == root.end_time
        )
        assert found["publish stad"].start_time >= found["store"].start_time
    refused = [
        found["reading"] for found in traces.values() if not found["reading"].attributes["meetnet.sites"]
    ]
    assert refused[0].status.description == "pipeline.not_deployed"
    told = " ".join(span.to_json() for span in spans)
    assert AIR not in told
    assert "70b3d57ed0000099" not in told


async def test_spans_reach_a_collector_over_http_and_one_that_is_away_holds_nothing_up(
    tmp_path: Path,
) -> None:
    bodies: list[tuple[str, bytes]] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        changes = {"otel.endpoint": endpoint, "otel.sample_percent": 100.0}
        async with running(tmp_path, **changes) as (gateway, platform):
            await gateway.log.accept(an_uplink(a_record(1, temperature=20)))
            await gateway.drained()
            await until(lambda: platform.got)
        assert {path for path, _ in bodies} == {"/v1/traces"}
        everything = b"".join(body for _, body in bodies)
        for name in (b"reading", b"quality", b"publish stad", b"meetnet-gateway"):
            assert name in everything
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_it_is_off_by_default_and_then_nothing_of_it_is_imported() -> None:
    assert not Traces().active
    code = (
        "import sys, gateway.app, gateway.pipeline\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'firmware'}", "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=ROOT)
    with pytest.raises(ConfigError, match="is no address"):
        processor_of("collector:4318")
