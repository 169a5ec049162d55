"""Roll-outs as pages see and steer them, over the same file as the command line and the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.errors import UpdateError
from gateway.update.book import HALTED, RUNNING, STOPPED, Rollout, UpdateBook
from gateway.update.bundle import Bundle, read
from gateway.update.progress import BY_HAND, Progress, progress

NOT_ON = "this roll-out is not under way"
LONGEST_SOAK_H = 720.0
TRIAL_MIN = (5, 65535)


class Device(Protocol):
    """A node (gateway.registry has it). profile: how it writes, where it is none of ours."""

    @property
    def dev_eui(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def profile(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Whole:
    """A roll-out with what its bundle says of itself; bundle None: its file is gone."""

    progress: Progress
    bundle: Bundle | None

    @property
    def id(self) -> str:
        """Return the id of the bundle."""
        return self.progress.rollout.id


class RolloutDesk:
    """Every call blocks and opens the file anew, so any thread may ask.

    devices: all that are registered. heard_ms: when each was last heard. is_event(dev_eui): something is on
    at its site. public_key: hex; "" = what nodes will check cannot be checked here.
    """

    def __init__(
        self,
        folder: Path,
        devices: Callable[[], Sequence[Device]],
        heard_ms: Callable[[], Mapping[str, int]],
        is_event: Callable[[str], bool],
        now_ms: Callable[[], int],
        public_key: str = "",
    ) -> None:
        self._folder = folder
        self._devices = devices
        self._heard_ms = heard_ms
        self._is_event = is_event
        self._now_ms = now_ms
        self.public_key = public_key

    def kinds(self) -> dict[str, int]:
        """Return how many devices of each kind could take an update."""
        counts: dict[str, int] = {}
        for device in takers(self._devices()):
            counts[device.kind] = counts.get(device.kind, 0) + 1
        return dict(sorted(counts.items()))

    def refusing(self) -> int:
        """Return how many owners want no updates."""
        with closing(UpdateBook(self._folder)) as book:
            return len(book.refusals())

    def all(self) -> list[Whole]:
        """Return all roll-outs, newest first."""
        with closing(UpdateBook(self._folder)) as book:
            heard_ms = self._heard_ms()
            return [self._whole(book, one, heard_ms) for one in book.rollouts()]

    def one(self, rollout_id: str) -> Whole | None:
        """Return one, or None."""
        with closing(UpdateBook(self._folder)) as book:
            found = book.rollout(rollout_id)
            return self._whole(book, found, self._heard_ms()) if found else None

    def begin(self, data: bytes, kinds: Sequence[str], soak_h: float, trial_min: int) -> tuple[Bundle, int]:
        """Begin a roll-out to all devices of these kinds; return the bundle and how many take part.

        Raise UpdateError for a bundle that is damaged or that nodes would not believe, for limits outside of
        0..720 h and 5..65535 min, for nobody to give it to, and while another one runs.
        """
        bundle = read(data, bytes.fromhex(self.public_key) if self.public_key else None)
        if not 0 <= soak_h <= LONGEST_SOAK_H or not TRIAL_MIN[0] <= trial_min <= TRIAL_MIN[1]:
            raise UpdateError("soak is 0 to 720 hours, trial 5 to 65535 minutes")
        with closing(UpdateBook(self._folder)) as book:
            refused = book.refusals()
            part = [
                device.dev_eui
                for device in takers(self._devices())
                if device.kind in kinds and device.dev_eui not in refused
            ]
            if not part:
                raise UpdateError("there is no device to give it to: tick another kind", "nobody")
            book.begin(bundle, part, self._now_ms(), soak_h * 3600, trial_min)
        return bundle, len(part)

    def pause(self, rollout_id: str) -> None:
        """Offer it to nobody else until it goes on."""
        self._set(rollout_id, (RUNNING,), HALTED, BY_HAND)

    def resume(self, rollout_id: str) -> None:
        """Go on with one that was paused."""
        self._set(rollout_id, (HALTED,), RUNNING, "")

    def stop(self, rollout_id: str) -> None:
        """End it for good. Nodes that run it keep it."""
        self._set(rollout_id, (RUNNING, HALTED), STOPPED, BY_HAND)

    def _set(self, rollout_id: str, before: tuple[str, ...], state: str, reason: str) -> None:
        with closing(UpdateBook(self._folder)) as book:
            found = book.rollout(rollout_id)
            if found is None or found.state not in before:
                raise UpdateError(NOT_ON)
            if state == RUNNING and found.reason != BY_HAND:
                raise UpdateError("a device's failure halted it: mend the bundle and offer that one")
            book.set_state(rollout_id, state, reason)

    def _whole(self, book: UpdateBook, found: Rollout, heard_ms: Mapping[str, int]) -> Whole:
        try:
            bundle = book.bundle(found.id)
        except UpdateError:
            bundle = None
        targets = book.targets(found.id)
        is_event = self._is_event if found.state == RUNNING else _never
        now = progress(found, targets, book.refusals(), heard_ms, is_event, self._now_ms())
        return Whole(now, bundle)


def _never(dev_eui: str) -> bool:
    return False


def takers(devices: Sequence[Device]) -> list[Device]:
    """Return the devices that run Meetnet: others cannot take its updates."""
    return [device for device in devices if not device.profile]
