"""decode -> quality -> store, behind the segment log and at its own pace.

It follows the log from the position that the store keeps, so it may be killed anywhere: what was
not committed is read again, what was committed is not. A frame that cannot be used becomes a dead
letter with its cause and never holds up the frames behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Protocol

from gateway.backfill import Heard
from gateway.counters import Counters
from gateway.decode import Contents, Decoder
from gateway.errors import IngestError, StoreError
from gateway.linger import Linger
from gateway.model import Decoded, Uplink
from gateway.quality import HISTORY_MS, Judge
from gateway.registry import Registry, Spot
from gateway.settling import MOST as MOST_EARLY
from gateway.settling import Settled, Settler
from gateway.store import Changes, DeadLetter, DurableLog, Outcome, Store
from gateway.store.origin import position_of
from gateway.store.rows import POSITIONS_PER_RECORD, Record
from gateway.store.writing import PIPELINE, Batch

if TYPE_CHECKING:
    from gateway.tracing import Traces

logger = logging.getLogger("meetnet.pipeline")
BATCH = 1000
FOLLOW_S = 0.025  # how long the store lets what was judged early gather
RETRY_S = (0.1, 0.5, 2.0, 10.0, 30.0)


class Ahead(Protocol):
    """Who wants to know of records before they are stored. Called on the loop."""

    def judged(self, first: int, last: int, records: Sequence[Record]) -> None:
        """Tell what the uplinks from first to last of the log hold: durable there, not stored yet."""
        ...

    def stored(self, last: int, before: int, newest: int) -> None:
        """Tell that all up to an uplink is stored, and the store's position before that and now."""
        ...

    def lost(self) -> None:
        """Tell that what was judged and is not stored yet will be judged again."""
        ...


class _StaleError(StoreError):
    """Another process wrote: what was judged early is judged again."""


class Pipeline:
    """The task behind the log.

    After each commit `on_stored(position)` and `on_heard(which records of which devices)` are called on the
    loop.
    """

    def __init__(
        self,
        log: DurableLog,
        store: Store,
        registry: Registry,
        counters: Counters,
        on_stored: Callable[[int], None],
        on_heard: Callable[[Sequence[Heard]], None] | None = None,
        name: str = PIPELINE,
        decoder: Decoder | None = None,
    ) -> None:
        """name: of its position in the store; workers that share a store have a log and a name each."""
        self._log = log
        self._store = store
        self._registry = registry
        self._counters = counters
        self._on_stored = on_stored
        self._on_heard = on_heard
        self._judge = Judge(self._history, registry.correction, registry.corrected_devices)
        self._decoder = decoder or Decoder()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meetnet-store")
        self._news = asyncio.Event()
        self._name = name
        self._position = store.position(name)
        self._is_unsure = False
        self._moved = Changes(self._position)
        self._durable = 0
        self.traces: Traces | None = None
        self._linger = Linger()
        self._stopping = asyncio.Event()
        self.ahead: Ahead | None = None
        self._settler = Settler(registry, self._judge, store.kept)
        self._settled: list[Settled] = []
        self._settled_to = self._position  # the sequence up to which everything is stored or judged early
        self._is_taking = False  # the store's thread judges
        self._is_held = False  # what comes next is not plain
        self._has_read_all = False  # the log held no more than we were told of

    @property
    def position(self) -> int:
        """The sequence in the segment log up to which everything is stored."""
        return self._position

    @property
    def durable(self) -> int:
        """The sequence in the segment log up to which everything is on the disk, as far as it was told."""
        return max(self._durable, self._position)

    def wake(self, durable_sequence: int) -> None:
        """Tell that the log is durable up to a sequence."""
        self._durable = max(self._durable, durable_sequence)
        if self.traces is not None and self.traces.active:
            self.traces.durable(durable_sequence)
        self._settle_early()
        self._news.set()

    async def drained(self) -> None:
        """Return when everything that was durable is stored."""
        while self._position < self._durable:
            await self._moved.wait_after(self._position)

    async def run(self) -> None:
        """Follow the log until `stop`."""
        failures = 0
        while True:
            self._news.clear()
            wait_s = self._wait_s()
            if wait_s and not self._stopping.is_set():
                await asyncio.sleep(wait_s)
            try:
                more = await self._step()
                failures = 0
            except StoreError as error:
                self._counters.count("pipeline.commit_failed", str(error))
                self._is_unsure = True
            except Exception as error:  # whatever it is, the frames behind it wait for us
                logger.exception("pipeline")
                self._counters.count("pipeline.internal_error", repr(error))
            else:
                if not more and not self._stopping.is_set():
                    await self._news.wait()
                elif not more:
                    break
                continue
            if self._stopping.is_set():
                break
            delay = RETRY_S[min(failures, len(RETRY_S) - 1)]
            failures += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()

    def stop(self) -> None:
        """Let `run` return once it has stored what is durable."""
        self._stopping.set()
        self._news.set()

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(wait=True)

    def _wait_s(self) -> float:
        """Return how long to let a batch grow."""
        if self._settled:
            return 0.0 if self._is_held else FOLLOW_S
        return self._linger.wait_s(self._durable - self._position)

    def _settle_early(self) -> None:
        """Judge what has just become durable, when it is plain and little, and tell of it."""
        if self.ahead is None or self._is_taking or self._is_held or not self._linger.is_calm:
            return
        if self._stopping.is_set() or self._is_unsure or (self.traces is not None and self.traces.active):
            return
        entries = self._log.fresh(self._settled_to, MOST_EARLY + 1)
        if not entries or len(entries) > MOST_EARLY:
            return
        try:
            found = self._settler.settle(entries)
        except Exception as error:  # it is tried again in the usual way, which tells more
            self._counters.count("pipeline.not_early", repr(error))
            self._give_up_early()
            return
        if found is None:
            self._is_held = True
            return
        self._settled.append(found)
        self._settled_to = found.last
        self.ahead.judged(found.first, found.last, found.records)

    def _give_up_early(self) -> None:
        """Judge again, in the usual way, what was judged early and is not stored."""
        self._settled.clear()
        self._settler.stored(())
        self._judge.forget()
        self._settled_to = self._position
        self._is_held = True
        if self.ahead is not None:
            self.ahead.lost()

    async def _store_settled(self) -> bool:
        """Store what was judged early; true: there may be more."""
        loop = asyncio.get_running_loop()
        settled, self._settled = self._settled, []
        start = self._position
        try:
            newest = await loop.run_in_executor(self._executor, self._put, settled, start)
        except _StaleError:
            self._give_up_early()
            return True
        except BaseException:
            self._give_up_early()
            raise
        self._position = settled[-1].last
        self._settler.stored(self._settled)
        outcomes = sum(len(one.outcomes) for one in settled)
        records = sum(len(one.records) for one in settled)
        self._linger.took(outcomes, loop.time())
        self._moved.announce(self._position)
        self._counters.count("pipeline.records", n=records)
        if self.ahead is not None:
            self.ahead.stored(self._position, newest - records * POSITIONS_PER_RECORD, newest)
        self._on_stored(newest)
        if self._on_heard is not None:
            self._on_heard([heard for one in settled for heard in one.heard])
        return True

    async def _step(self) -> bool:
        """Take one batch; return whether there may be more."""
        if self._settled:
            return await self._store_settled()
        self._settle_early()
        if self._settled:
            return True
        self._is_taking = True
        try:
            return await self._take_next()
        finally:
            self._is_taking = False

    async def _take_next(self) -> bool:
        """Take one batch from the log to the store; return whether there may be more."""
        loop = asyncio.get_running_loop()
        if self._is_unsure:  # a database that took the place of another may lack what was committed last
            known = await loop.run_in_executor(self._executor, self._store.position, self._name)
            self._position, self._is_unsure = min(known, self._position), False
            self._has_read_all = False
        is_level = self._has_read_all and self._position >= self._durable
        # A look into the log holds up what comes meanwhile: not for nothing.
        entries = [] if is_level else await self._log.read(self._position, BATCH)
        self._is_held = False
        self._settled_to = self._position
        if not entries:
            self._has_read_all = True
            return False
        taken = await loop.run_in_executor(self._executor, self._take, entries)
        self._position = self._settled_to = entries[-1][0]
        self._linger.took(len(entries), loop.time())
        self._moved.announce(self._position)
        for name, detail, n in taken.counts:
            self._counters.count(name, detail, n)
        if self.ahead is not None:
            self.ahead.stored(self._position, -1, taken.newest)
        self._on_stored(taken.newest)
        if self._on_heard is not None and taken.heard:
            self._on_heard(taken.heard)
        return True

    # -- in the store's thread

    def _take(self, entries: Sequence[tuple[int, Uplink | StoreError]]) -> _Taken:
        taken = _Taken()
        traces = self.traces if self.traces is not None and self.traces.active else None
        marks = [time.time_ns()] if traces else []
        self._registry.refresh()  # a profile may have been changed by `meetnet device`
        outcomes = self._outcomes(entries, taken)
        if traces:
            marks.append(time.time_ns())
        try:
            with self._store.batch() as (batch, is_stale):
                if is_stale:
                    self._judge.forget()
                    if batch.position(self._name) != self._position:  # as when a server took another's place
                        raise StoreError("the store has come as far as another position: it is read again")
                memories = self._settle(batch, taken)
                if traces:
                    marks.append(time.time_ns())
                batch.put(outcomes, memories, self._name)
        except BaseException:
            self._judge.forget()
            raise
        taken.newest = self._store.newest_position()
        if traces:
            marks.append(time.time_ns())
            traces.stored(outcomes, marks, partial(position_of, self._store))
        return taken

    def _put(self, settled: Sequence[Settled], start: int) -> int:
        """Store what was judged early, as it was judged; return the newest position of the store."""
        memories: dict[str, bytes] = {}
        for one in settled:
            memories |= one.memories
        with self._store.batch() as (batch, is_stale):
            if is_stale or batch.position(self._name) != start:
                raise _StaleError("another process wrote meanwhile")
            batch.put([outcome for one in settled for outcome in one.outcomes], memories, self._name)
        return self._store.newest_position()

    def _outcomes(self, entries: Sequence[tuple[int, Uplink | StoreError]], taken: _Taken) -> list[Outcome]:
        """Open uplinks: those that hold one record of ours, all well, at once."""
        uplinks = [uplink for _, uplink in entries if isinstance(uplink, Uplink)]
        plain = iter(self._decoder.decode_plain(uplinks))
        outcomes: list[Outcome] = []
        for sequence, uplink in entries:
            record = next(plain) if isinstance(uplink, Uplink) else None
            if record is None or isinstance(uplink, StoreError):
                outcomes.append(self._outcome(sequence, uplink, taken))
                continue
            outcome = Outcome(sequence, uplink)
            taken.heard.append(Heard(uplink.dev_eui, (record.seq,), (), uplink))
            taken.records.append((outcome, record))
            outcomes.append(outcome)
        return outcomes

    def _outcome(self, sequence: int, uplink: Uplink | StoreError, taken: _Taken) -> Outcome:
        """Open an uplink; its records wait in `taken`."""
        if isinstance(uplink, StoreError):  # a frame of a newer layout: kept in the log, told, passed by
            detail = str(uplink)
            taken.counts.append(("pipeline.frame_unreadable", detail, 1))
            unknown = Uplink(source="?", dev_eui="?", f_port=0, payload=b"", received_at_ms=0)
            return Outcome(sequence, unknown, dead=[DeadLetter("pipeline.frame_unreadable", detail)])
        outcome = Outcome(sequence, uplink)
        try:
            contents = self._decoder.decode(uplink)
            taken.counts.extend((name, detail, 1) for name, detail in contents.notes)
            self._keep(contents, outcome, taken)
            seqs = () if contents.is_foreign else tuple([record.seq for record in contents.records])
            taken.heard.append(
                Heard(uplink.dev_eui, seqs, contents.gone, uplink, contents.skipped, contents.waiting)
            )
            taken.records += [(outcome, record) for record in contents.records]
        except IngestError as error:
            taken.refuse(outcome, error.cause, str(error))
        except StoreError:
            raise
        except Exception as error:  # a fault of ours with one frame must not hold up the others
            logger.exception("uplink %d of %s", sequence, uplink.dev_eui)
            taken.refuse(outcome, "pipeline.internal_error", f"{uplink.dev_eui}: {error!r}")
        return outcome

    def _keep(self, contents: Contents, outcome: Outcome, taken: _Taken) -> None:
        outcome.status = contents.status
        if contents.calibration is not None:
            self._registry.put_calibration(contents.calibration)
        if contents.answer is not None:
            self._registry.put_node_answer(contents.answer)
            taken.counts.append(("pipeline.config_answers", "", 1))

    def _settle(self, batch: Batch, taken: _Taken) -> dict[str, bytes]:
        """Sort out what is new, judge it, and return what is remembered of its sites."""
        known = batch.known([(record.dev_eui, record.seq) for _, record in taken.records])
        spots = self._registry.spots()
        spots.meet({record.dev_eui for _, record in taken.records})
        fresh: dict[tuple[str, int], Decoded] = {}
        new: list[tuple[Outcome, Decoded, Spot]] = []
        for outcome, record in taken.records:
            key = record.dev_eui, record.seq
            twin = fresh.get(key)
            if twin is not None or key in known:
                mark = known[key] if twin is None else twin.readings.fingerprint()
                self._again(outcome, record, record.readings.fingerprint() == mark, taken)
                continue
            spot = self._spot(spots.of(record.dev_eui), record)
            if spot is None:
                detail = f"{record.dev_eui} is at no site at {record.observed_at_ms}: deploy it and replay"
                taken.refuse(outcome, "pipeline.not_deployed", detail)
                continue
            fresh[key] = record
            new.append((outcome, record, spot))
        self._meet(batch, {spot.id for _, _, spot in new})
        found = self._judge.judge([(record, spot) for _, record, spot in new])
        for (outcome, record, spot), judged in zip(new, found, strict=True):
            outcome.records.append((record, spot.id, judged))
        if new:
            taken.counts.append(("pipeline.records", "", len(new)))
        memory = self._judge.memory
        sites = list({spot.id for _, _, spot in new})
        return dict(zip(sites, memory.dumps([memory.row(one) for one in sites]), strict=True))

    def _again(self, outcome: Outcome, record: Decoded, is_same: bool, taken: _Taken) -> None:
        if is_same:
            taken.counts.append(("pipeline.duplicate", "", 1))
        else:
            detail = f"{record.dev_eui}: record {record.seq} came again with other values (node wiped?)"
            taken.refuse(outcome, "pipeline.seq_reused", detail)

    def _spot(self, newest: Spot | None, record: Decoded) -> Spot | None:
        """Return where the device was when it measured: most often where it is now."""
        if newest is None or newest.holds(record.observed_at_ms):
            return newest
        site = self._registry.site_of(record.dev_eui, record.observed_at_ms)
        if site is None:
            return None
        return Spot(record.dev_eui, site.id, site.empty_mm, site.full_mm, site.rain_mm_per_tip, 0, None)

    def _meet(self, batch: Batch, site_ids: set[str]) -> None:
        strange = [site_id for site_id in site_ids if site_id not in self._judge.memory]
        for site_id, written in batch.memories(strange).items():
            self._judge.meet(site_id, written)

    def _history(self, site_id: str) -> list[tuple[str, int, float | None]]:
        newest = self._store.newest_observed(site_id)
        if newest is None:
            return []
        rows = self._store.history(site_id, newest - HISTORY_MS)
        return [(row.form.quantity, row.observed_at_ms, row.raw) for row in rows]


class _Taken:
    """What came of a batch on its way."""

    def __init__(self) -> None:
        self.newest = 0
        self.records: list[tuple[Outcome, Decoded]] = []
        self.counts: list[tuple[str, str, int]] = []
        self.heard: list[Heard] = []

    def refuse(self, outcome: Outcome, cause: str, detail: str) -> None:
        outcome.dead.append(DeadLetter(cause, detail))
        self.counts.append((cause, detail, 1))
