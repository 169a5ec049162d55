"""decode -> quality -> store, behind the segment log and at its own pace.

It follows the log from the position that the store keeps, so it may be killed anywhere: what was
not committed is read again, what was committed is not. A frame that cannot be used becomes a dead
letter with its cause and never holds up the frames behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.backfill import Heard
from gateway.counters import Counters
from gateway.decode import Decoder
from gateway.errors import IngestError, StoreError
from gateway.model import Decoded, Uplink
from gateway.quality import HISTORY_MS, Judge
from gateway.registry import Registry
from gateway.store import Changes, DeadLetter, DurableLog, Outcome, SqliteStore, fingerprint
from gateway.store.frames import decode_uplink

logger = logging.getLogger("meetnet.pipeline")
BATCH = 500
RETRY_S = (0.1, 0.5, 2.0, 10.0, 30.0)


class Pipeline:
    """The task behind the log.

    After each commit `on_stored(position)` and `on_heard(which records of which devices)` are called on the
    loop.
    """

    def __init__(
        self,
        log: DurableLog,
        store: SqliteStore,
        registry: Registry,
        counters: Counters,
        on_stored: Callable[[int], None],
        on_heard: Callable[[Sequence[Heard]], None] | None = None,
    ) -> None:
        self._log = log
        self._store = store
        self._registry = registry
        self._counters = counters
        self._on_stored = on_stored
        self._on_heard = on_heard
        self._judge = Judge(self._history, registry.correction)
        self._decoder = Decoder()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meetnet-store")
        self._news = asyncio.Event()
        self._position = store.position()
        self._moved = Changes(self._position)
        self._durable = 0
        self._stopping = asyncio.Event()

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
            try:
                more = await self._step()
                failures = 0
            except StoreError as error:
                self._counters.count("pipeline.commit_failed", str(error))
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
                await asyncio.wait_for(self._stopping.wait(), delay)

    def stop(self) -> None:
        """Let `run` return once it has stored what is durable."""
        self._stopping.set()
        self._news.set()

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(wait=True)

    async def _step(self) -> bool:
        """Take one batch; return whether there may be more."""
        entries = await self._log.read(self._position, BATCH)
        if not entries:
            return False
        loop = asyncio.get_running_loop()
        newest, counts, heard = await loop.run_in_executor(self._executor, self._take, entries)
        self._position = entries[-1][0]
        self._moved.announce(self._position)
        for name, detail in counts:
            self._counters.count(name, detail)
        self._on_stored(newest)
        if self._on_heard is not None and heard:
            self._on_heard(heard)
        return True

    # -- in the store's thread

    def _take(self, entries: list[tuple[int, bytes]]) -> tuple[int, list[tuple[str, str]], list[Heard]]:
        counts: list[tuple[str, str]] = []
        fresh: dict[tuple[str, int], int] = {}
        heard: list[Heard] = []
        outcomes = [self._outcome(sequence, body, fresh, counts, heard) for sequence, body in entries]
        try:
            newest = self._store.commit(outcomes)
        except BaseException:
            self._judge.forget()
            raise
        return newest, counts, heard

    def _outcome(
        self,
        sequence: int,
        body: bytes,
        fresh: dict[tuple[str, int], int],
        counts: list[tuple[str, str]],
        heard: list[Heard],
    ) -> Outcome:
        try:
            uplink = decode_uplink(body)
        except StoreError as error:  # a frame of a newer layout: kept in the log, told, passed by
            counts.append(("pipeline.frame_unreadable", str(error)))
            unknown = Uplink(source="?", dev_eui="?", f_port=0, payload=body, received_at_ms=0)
            return Outcome(sequence, unknown, dead=[DeadLetter("pipeline.frame_unreadable", str(error))])
        outcome = Outcome(sequence, uplink)
        try:
            contents = self._decoder.decode(uplink)
            outcome.status = contents.status
            if contents.calibration is not None:
                self._registry.put_calibration(contents.calibration)
            if contents.answer is not None:
                self._registry.put_node_answer(contents.answer)
                counts.append(("pipeline.config_answers", ""))
            seqs = tuple(record.seq for record in contents.records)
            heard.append(Heard(uplink.dev_eui, seqs, contents.gone, uplink))
            for record in contents.records:
                self._record(outcome, record, fresh, counts)
        except IngestError as error:
            self._refuse(outcome, counts, error.cause, str(error))
        except StoreError:
            raise
        except Exception as error:  # a fault of ours with one frame must not hold up the others
            logger.exception("uplink %d of %s", sequence, uplink.dev_eui)
            self._refuse(outcome, counts, "pipeline.internal_error", f"{uplink.dev_eui}: {error!r}")
        return outcome

    def _record(
        self,
        outcome: Outcome,
        record: Decoded,
        fresh: dict[tuple[str, int], int],
        counts: list[tuple[str, str]],
    ) -> None:
        key = (record.dev_eui, record.seq)
        mark = fingerprint(record)
        known = fresh.get(key)
        if known is None:
            known = self._store.known(*key)
        if known == mark:
            counts.append(("pipeline.duplicate", ""))
            return
        if known is not None:
            detail = f"{record.dev_eui}: record {record.seq} came again with other values (node wiped?)"
            self._refuse(outcome, counts, "pipeline.seq_reused", detail)
            return
        site = self._registry.site_of(record.dev_eui, record.observed_at_ms)
        if site is None:
            detail = f"{record.dev_eui} is at no site at {record.observed_at_ms}: deploy it and replay"
            self._refuse(outcome, counts, "pipeline.not_deployed", detail)
            return
        fresh[key] = mark
        outcome.records.append((record, self._judge.observations(record, site)))
        counts.append(("pipeline.records", ""))

    def _refuse(self, outcome: Outcome, counts: list[tuple[str, str]], cause: str, detail: str) -> None:
        outcome.dead.append(DeadLetter(cause, detail))
        counts.append((cause, detail))

    def _history(self, site_id: str) -> list[tuple[str, int, float | None]]:
        newest = self._store.newest_observed(site_id)
        if newest is None:
            return []
        rows = self._store.history(site_id, newest - HISTORY_MS)
        return [(row.form.quantity, row.observed_at_ms, row.raw) for row in rows]
