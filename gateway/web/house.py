"""What pages for people with a role may reach beyond the public door. The composition root fills it in.

Pages for everybody never touch this: they read through `Context.reader`, which knows no device and no exact
position.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.claims import ClaimBook, Welcome
from gateway.commissioning import Inspector, SiteReports
from gateway.config_bench import ConfigBench
from gateway.health import Entry, Incident
from gateway.model import PublicObservation, PublicReader
from gateway.provision.benchbook import BenchBook
from gateway.provision.minting import Mint
from gateway.registry import Registry
from gateway.registry.accounts import Accounts
from gateway.registry.events import EventBook
from gateway.registry.model import Calibration
from gateway.registry.notes import NoteBook
from gateway.registry.rounds import Rounds
from gateway.registry.siting import SitingBook
from gateway.settings import Setting, Value
from gateway.update.desk import RolloutDesk


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom an identity provider vouches for, and where they wanted to go."""

    subject: str
    email: str
    onwards: str


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A correction that holds, or a calibration. objective: the strictest data-quality objective that the
    expanded uncertainty meets, "none" when it meets not even the last, "" where that is no question.
    """

    site_id: str
    quantity: str
    method: str
    at_ms: int
    evidence: str
    uncertainty_percent: float | None = None
    objective: str = ""
    objective_percent: float = 0.0


def _none_calibrated() -> Sequence[Calibrated]:
    return ()


class Seen(Protocol):
    """When and how a device was last heard (gateway.store has it)."""

    @property
    def dev_eui(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def uplinks(self) -> int: ...  # noqa: D102
    @property
    def missed(self) -> int: ...  # noqa: D102
    @property
    def received_at_ms(self) -> int: ...  # noqa: D102
    @property
    def rssi_dbm(self) -> float | None: ...  # noqa: D102
    @property
    def snr_db(self) -> float | None: ...  # noqa: D102
    @property
    def status(self) -> dict[str, int | str] | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Desk:
    """Sites and devices with their true places. All calls block: make them beside the loop.

    reader_of_sites: everything of these sites, consent or not, for their own host. seen: every device that
    was ever heard. recipients: to whom data can go, with the terms of each ("" where the licence says all).
    erase: deletes a site with all its values for good. rounds: what drivers report.
    incidents: what is wrong now, one entry a cause. health: what says most of how a device is, "fine" when
    all is well; None where it stands nowhere. siting: what was said of places.
    """

    registry: Registry
    claims: ClaimBook
    welcome: Welcome
    reader_of_sites: Callable[[Sequence[str]], PublicReader]
    seen: Callable[[], Sequence[Seen]]
    recipients: Mapping[str, str]
    inspector: Inspector
    reports: SiteReports
    erase: Callable[[str], int]
    rounds: Rounds
    incidents: Callable[[], Sequence[Entry]]
    health: Callable[[str, int], Incident | None]
    siting: SitingBook


class NoiseBench(Protocol):
    """Where a noise node is calibrated."""

    async def calibrate(self, dev_eui: str, level_db: float, instrument: str) -> None:
        """Ask a node to listen to the calibrator that sits on it; GatewayError when it cannot be asked."""
        ...

    def calibrations(self, dev_eui: str) -> list[Calibration]:
        """Return what came of calibrations, also those that were refused. Blocks."""
        ...


NOW, PAGE, RESTART = "now", "page", "restart"  # when a setting takes effect


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting: what runs, what the file says, whether the page may change it.

    effect: NOW, as soon as it is changed; PAGE, the same, but the pages start again; RESTART of the gateway.
    """

    setting: Setting
    running: Value
    coming: Value
    may_change: bool
    effect: str


@dataclass(frozen=True, slots=True)
class Item:
    """One observation that a platform refused. id: names it until it changes."""

    id: str
    row: PublicObservation
    reason: str


class Office(Protocol):
    """The configuration and the outlets (gateway.office has it). All but `take_up` and `retry` block."""

    def settings(self) -> list[Shown]: ...  # noqa: D102
    def trouble(self) -> str: ...  # noqa: D102
    def change(self, key: str, text: str) -> tuple[Value, Value]: ...  # noqa: D102
    async def take_up(self, key: str, old: Value) -> str: ...  # noqa: D102
    def outlets(self) -> list[dict[str, Any]]: ...  # noqa: D102
    def items(self, name: str, most: int = 200) -> list[Item]: ...  # noqa: D102
    def drop(self, name: str, ids: Sequence[str]) -> int: ...  # noqa: D102
    def mend(self, name: str, item: str, value: float) -> bool: ...  # noqa: D102
    async def retry(self, name: str, ids: Sequence[str]) -> tuple[int, int]: ...  # noqa: D102


class IdentityProvider(Protocol):
    """Who says who somebody is (gateway.web.oidc has it)."""

    name: str

    async def begin(self, onwards: str) -> tuple[str, str]: ...  # noqa: D102
    async def finish(self, state: str, code: str, issuer: str | None, cookie: str) -> Identity: ...  # noqa: D102


def _no_mail(to: str, subject: str, text: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class House:
    """accounts: who may sign in. send_mail: blocks, returns whether it was taken. can_mail: is it set up.

    publishers: what each outlet is doing, by name; called in the loop's thread. desk: None in tests that need
    no registry. noise, settings: where nodes are calibrated and configured. events: at which noise is
    followed; None: there are no pages of them. mint: makes identities for blank boards. office: configuration
    and outlets. oidc: where staff signs in.
    calibrated: what corrections rest on; blocks. updates: roll-outs. bench: boards that are being flashed.
    notes: what hosts and staff write beside charts. explain: all of a position's observation.
    """

    accounts: Accounts
    can_mail: bool = False
    send_mail: Callable[[str, str, str], bool] = _no_mail
    publishers: Callable[[], dict[str, Any]] = field(default=dict[str, Any])
    desk: Desk | None = None
    noise: NoiseBench | None = None
    settings: ConfigBench | None = None
    events: EventBook | None = None
    mint: Mint | None = None
    office: Office | None = None
    oidc: IdentityProvider | None = None
    updates: RolloutDesk | None = None
    bench: BenchBook | None = None
    notes: NoteBook | None = None
    calibrated: Callable[[], Sequence[Calibrated]] = _none_calibrated
    explain: Callable[[str], Awaitable[dict[str, Any]]] | None = None
