"""Updates that are no good: signed by the right key, and wrong."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from simulator.stage import releases
from simulator.stage.faults.base import Fault

if TYPE_CHECKING:
    from simulator.stage.stage import Stage


class BadUpdate(Fault, tag="bad_update"):
    """Somebody rolls out a release that was never tried."""

    DOES: ClassVar[str] = "a release that is no good is rolled out over Wi-Fi, signed by the right key"

    how: Annotated[
        Literal["does_not_import", "crashes", "hangs", "is_never_heard"],
        Meta(description="what is wrong with it: does_not_import, crashes, hangs or is_never_heard"),
    ] = "does_not_import"
    trial_min: Annotated[
        int, Meta(ge=5, le=1440, description="minutes a node tries it without being heard, 5 to 1440")
    ] = 20

    def provisions(self, seed: int) -> dict[str, Any]:
        """Nodes know the key that releases are signed with."""
        return {"update_key": releases.update_key(seed)}

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Build it and roll it out."""
        seed, how = stage.scenario.seed, self.how
        loop = asyncio.get_running_loop()
        folder = await loop.run_in_executor(None, releases.bad_application, how, stage.folder)
        number = releases.private_number(seed)
        words = (str(folder), list(releases.VERSION), number, self.trial_min)
        n = await stage.ask_house("offer_application", *words)
        return f"a release that {how.replace('_', ' ')}, for {n or 0} nodes"
