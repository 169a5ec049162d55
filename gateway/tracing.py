"""Traces of single readings through all stages, to an OpenTelemetry collector; off without otel.endpoint.

    reading                    from its reception to its commit
      ingest                   until it is durable
      decode, quality, store   with the batch that it was in
      publish NAME             each sending that carried it, also much later

What passes is sampled by its number in the raw log. Spans name sites, quantities and flags; no device, no
frame. When it is off nothing of OpenTelemetry is imported, and the stages ask one attribute per batch.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.config import Config
from gateway.errors import ConfigError
from gateway.publish.base import Parcel
from gateway.store import Outcome
from gateway.store.rows import POSITIONS_PER_RECORD

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

MOST_PENDING = 2000
MOST_MARKS = 20_000
MOST_SENDINGS = 100
STAGES = ("decode", "quality", "store")
FindPosition = Callable[[str, int], int | None]


class _Sending(NamedTuple):
    publisher: str
    records: set[int]
    n: int
    began_ns: int
    ended_ns: int
    is_confirmed: bool


class Traces:
    """What the stages tell. `active` is all that they look at while it is off."""

    def __init__(self) -> None:
        self.active = False
        self._every = 1
        self._tracer: Any = None
        self._provider: Any = None
        self._durable: deque[tuple[int, int]] = deque(maxlen=MOST_MARKS)
        self._pending: OrderedDict[int, Any] = OrderedDict()  # record -> context of its trace
        self._sends: deque[_Sending] = deque(maxlen=MOST_SENDINGS)  # of late: one may overtake its `stored`
        self._lock = threading.Lock()

    def start(self, processor: SpanProcessor, service: str, sample_percent: float) -> None:
        """Begin to trace; spans go to a processor."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("meetnet.gateway")
        self._every = max(1, round(100 / sample_percent)) if sample_percent else 0
        self.active = bool(self._every)

    def stop(self) -> None:
        """Hand over what is left, and trace no more."""
        self.active = False
        if self._provider is not None:
            self._provider.shutdown()
        self._provider = self._tracer = None
        self._pending.clear()
        self._sends.clear()
        self._durable.clear()

    # -- told by the log, the pipeline and the followers

    def durable(self, sequence: int) -> None:
        """Take that the log is on the disk up to a sequence."""
        self._durable.append((sequence, time.time_ns()))

    def stored(self, outcomes: Sequence[Outcome], marks: Sequence[int], find: FindPosition) -> None:
        """Take a batch that was committed. marks: when it began, and when each of STAGES was done, in ns."""
        tracer = self._tracer
        if tracer is None:
            return
        for outcome in outcomes:
            if outcome.sequence % self._every == 0:
                self._trace(tracer, outcome, marks, len(outcomes), find)

    def _trace(self, tracer: Any, outcome: Outcome, marks: Sequence[int], n: int, find: FindPosition) -> None:
        from opentelemetry import trace

        uplink = outcome.uplink
        received = min(uplink.received_at_ms * 1_000_000 or marks[0], marks[0])
        root = tracer.start_span(
            "reading",
            start_time=received,
            attributes={
                "meetnet.source": uplink.source,
                "meetnet.port": uplink.f_port,
                "meetnet.log_sequence": outcome.sequence,
                "meetnet.bytes": len(uplink.payload),
                "meetnet.sites": sorted({site_id for _, site_id, _ in outcome.records}),
                "meetnet.records": len(outcome.records),
            },
        )
        context = trace.set_span_in_context(root)
        self._child(tracer, context, "ingest", received, self._durable_at(outcome.sequence, marks[0]))
        for at, name in enumerate(STAGES):
            about: dict[str, Any] = {"meetnet.batch": n}
            if name == "quality":
                forms = [form for _, _, judged in outcome.records for form in judged.shape.forms]
                about["meetnet.quantities"] = sorted({form.quantity for form in forms})
                about["meetnet.flags"] = sorted({flag for form in forms for flag in form.flags})
            self._child(tracer, context, name, marks[at], marks[at + 1], about)
        for dead in outcome.dead:
            root.set_status(trace.StatusCode.ERROR, dead.cause)
        root.end(marks[-1])
        found = [find(decoded.dev_eui, decoded.seq) for decoded, _, _ in outcome.records]
        records = {position // POSITIONS_PER_RECORD for position in found if position is not None}
        with self._lock:
            self._pending |= dict.fromkeys(records, context)
            while len(self._pending) > MOST_PENDING:
                self._pending.popitem(last=False)
            before = [one for one in self._sends for _ in records & one.records]
        for one in before:
            self._sending(tracer, context, one)

    def sent(self, publisher: str, parcel: Parcel, began_ns: int, is_confirmed: bool) -> None:
        """Take that a publisher sent a parcel."""
        carried = {row.position // POSITIONS_PER_RECORD for row in parcel.rows}
        one = _Sending(publisher, carried, len(parcel.rows), began_ns, time.time_ns(), is_confirmed)
        with self._lock:
            self._sends.append(one)
            found = [self._pending[record] for record in carried if record in self._pending]
        for context in found:
            self._sending(self._tracer, context, one)

    def _sending(self, tracer: Any, context: Any, one: _Sending) -> None:
        about = {"meetnet.rows": one.n}
        name = f"publish {one.publisher}"
        self._child(tracer, context, name, one.began_ns, one.ended_ns, about, one.is_confirmed)

    # -- within

    def _durable_at(self, sequence: int, otherwise: int) -> int:
        marks = [*self._durable]
        at = bisect.bisect_left(marks, (sequence, 0))
        return min(marks[at][1], otherwise) if at < len(marks) else otherwise

    def _child(
        self,
        tracer: Any,
        context: Any,
        name: str,
        start: int,
        end: int,
        about: dict[str, Any] | None = None,
        is_good: bool = True,
    ) -> None:
        if tracer is None:
            return
        span = tracer.start_span(name, context=context, start_time=start, attributes=about or {})
        if not is_good:
            from opentelemetry import trace

            span.set_status(trace.StatusCode.ERROR)
        span.end(max(start, end))


def processor_of(endpoint: str) -> SpanProcessor:
    """Return what sends spans in batches to a collector, over OTLP and HTTP; raise ConfigError."""
    if not endpoint.startswith(("http://", "https://")):
        raise ConfigError("otel.endpoint", f'{endpoint[:60]!r} is no address: give "http://collector:4318"')
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError("otel.endpoint", f"needs pip install 'meetnet[tracing]' ({error})") from error
    address = endpoint.rstrip("/")
    if not address.endswith("/v1/traces"):
        address += "/v1/traces"
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=address, timeout=5))


async def start_tracing(
    config: Config,
    traces: Traces,
    tell: Callable[[Callable[[str, Parcel, int, bool], None] | None], None],
    stack: contextlib.AsyncExitStack,
) -> None:
    """Trace until a stack is closed, if a collector is named. tell: hands on whom to tell what is sent."""
    endpoint = config.text("otel.endpoint")
    if not endpoint:
        return
    service, percent = config.text("otel.service"), config.number("otel.sample_percent")
    traces.start(processor_of(endpoint), service, percent)
    tell(traces.sent)

    async def stop() -> None:
        tell(None)
        await asyncio.get_running_loop().run_in_executor(None, traces.stop)

    stack.push_async_callback(stop)
