"""The gateway's own computer: killed, without room, with a database that will not."""

from __future__ import annotations

import random
import resource
import sqlite3
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from simulator.nodeproc import SimulatorError
from simulator.stage.faults.base import Fault

if TYPE_CHECKING:
    from simulator.stage.stage import Stage


class KillGateway(Fault, tag="kill_gateway"):
    """kill -9, and a start afterwards."""

    DOES: ClassVar[str] = (
        "kill -9 of the gateway's process, between two things or in the middle of a write; then a new start"
    )
    LASTS: ClassVar[str] = "20s"

    when: Annotated[
        Literal["idle", "writing"],
        Meta(description="idle: between two things; writing: at one of its next flushes to disk"),
    ] = "writing"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Kill it."""
        if self.when == "idle" or stage.house is None or stage.house.pid is None:
            stage.kill_house()
            return "killed between two things"
        n, before = rng.randrange(1, 12), bool(rng.randrange(2))
        await stage.ask_house("die_at_flush", n, before)
        return f"dies {'before' if before else 'after'} flush {n} from now"

    async def end(self, stage: Stage) -> None:
        """Start it; one that has not come to its flush dies now."""
        stage.kill_house()
        await stage.start_house()


class KillBroker(Fault, tag="kill_broker"):
    """kill -9 of the broker that has a process of its own, and a start afterwards."""

    DOES: ClassVar[str] = "kill -9 of the broker of `gateway.broker`, whatever it is at; then a new start"
    LASTS: ClassVar[str] = "20s"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Kill it."""
        if stage.broker is None:
            raise SimulatorError("kill_broker: there is none of its own: give gateway.broker = 'mosquitto'")
        stage.broker.kill()
        return "mosquitto is killed"

    async def end(self, stage: Stage) -> None:
        """Start it."""
        if stage.broker is not None:
            stage.broker.start()


class DiskFull(Fault, tag="disk_full"):
    """No file of the gateway may grow."""

    DOES: ClassVar[str] = "no file of the gateway can grow (RLIMIT_FSIZE of its process: writes end in EFBIG)"
    LASTS: ClassVar[str] = "30m"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Take the room away."""
        if stage.house is not None and stage.house.pid is not None:
            resource.prlimit(stage.house.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        return "files cannot grow"

    async def end(self, stage: Stage) -> None:
        """Give it back."""
        if stage.house is not None and stage.house.pid is not None:
            whole = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(stage.house.pid, resource.RLIMIT_FSIZE, whole)


class DatabaseLocked(Fault, tag="database_locked"):
    """Somebody else holds the store: an administrator with a tool, a backup that hangs."""

    DOES: ClassVar[str] = "another process holds the store's write lock"
    LASTS: ClassVar[str] = "2m"

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Take the lock."""
        path = stage.folder / "gateway" / "store.db"
        stage.lock = sqlite3.connect(path, isolation_level=None)
        stage.lock.execute("PRAGMA busy_timeout=2000")
        stage.lock.execute("BEGIN IMMEDIATE")
        return "the store is locked"

    async def end(self, stage: Stage) -> None:
        """Let go."""
        if stage.lock is not None:
            stage.lock.rollback()
            stage.lock.close()
            stage.lock = None
