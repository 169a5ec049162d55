"""Reading the configuration again while the gateway runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.config import Config
from gateway.counters import Counters
from gateway.decode import Profiles
from gateway.errors import ConfigError
from gateway.live import Change, Live

SOON_S = 0.3


class Reloading:
    """Takes up what is in the file of the settings, one time after the other."""

    def __init__(self, live: Live, profiles: Profiles, counters: Counters, done: Callable[[], None]) -> None:
        """done: called after each try, also one that was refused: ports may have changed."""
        self._live = live
        self._profiles = profiles
        self._counters = counters
        self._done = done
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def now(self, reread: Callable[[], Config] | None) -> Change:
        """Read the configuration again and run with it; with the old one, and why, when it is wrong.

        reread: the configuration as it is now in its file; None where there is none.
        """
        async with self._lock:
            from gateway import outlets

            try:
                if reread is None:
                    raise ConfigError("file", "this gateway was started without one")
                new = reread()
                outlets.check_publishers(new)
                self._profiles.load()
                found = await self._live.change(new)
            except ConfigError as error:
                found = Change(ok=False, error=f"{error}; the configuration before goes on")
            self._done()
        if found.ok:
            self._counters.count("config.reloaded")
        else:
            self._counters.count("config.refused", found.error)
        for key in found.needs_restart:
            self._counters.count("config.needs_restart", f"{key} takes effect after a restart")
        return found

    def soon(self, reread: Callable[[], Config] | None) -> None:
        """Reload once what is being answered now is out: the pages, too, may start again."""

        async def work() -> None:
            await asyncio.sleep(SOON_S)
            await self.now(reread)

        task = asyncio.create_task(work(), name="meetnet-reload")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what was begun."""
        await asyncio.gather(*self._tasks)
