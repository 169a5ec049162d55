"""The platform that observations are published to: it refuses, or fails."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from simulator.nodeproc import SimulatorError
from simulator.stage.faults.base import Fault

if TYPE_CHECKING:
    from simulator.stage.stage import Stage


class PlatformRejects(Fault, tag="platform_rejects"):
    """Every request is answered with a status that is no success."""

    DOES: ClassVar[str] = "the platform named in `platform` answers everything with `status`"
    LASTS: ClassVar[str] = "1h"

    status: Annotated[
        int, Meta(ge=400, le=599, description="HTTP status, 400 to 599: 503 passes, 401 waits for somebody")
    ] = 503

    async def begin(self, stage: Stage, rng: random.Random) -> str:
        """Refuse."""
        if stage.platform is None:
            raise SimulatorError("platform_rejects: there is no platform: give platform = 'ngsi_ld'")
        stage.platform.status = self.status
        return f"HTTP {self.status}"

    async def end(self, stage: Stage) -> None:
        """Take everything again."""
        if stage.platform is not None:
            stage.platform.status = 200
