"""What is known at one moment, from which causes are concluded. Times are milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest value of one quantity: what its sensor said of it, and what quality control did."""

    quantity: str
    state: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A registered device at a site. None = not known.

    way: lorawan, broker, mqtt, chirpstack, ttn, ...: by which it was heard last. heard_by: the radio gateways
    that received its last uplinks. interval_ms: how often it should be heard. margin_db: how far its last
    uplinks were above what their data rate needs. missed: share of frames lost lately. battery_mv: by time,
    oldest first. status: its last status uplink by field name. newest: since it stands at its site.
    """

    dev_eui: str
    site_id: str
    site_name: str
    kind: str
    since_ms: int
    way: str = ""
    heard_ms: int | None = None
    interval_ms: int | None = None
    heard_by: frozenset[str] = frozenset()
    margin_db: float | None = None
    missed: float | None = None
    battery_mv: tuple[tuple[int, float], ...] = ()
    status: Mapping[str, int | str] = field(default_factory=dict[str, int | str])
    newest: tuple[Newest, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """A radio gateway. alive_ms: when its forwarder last said anything."""

    gateway_id: str
    alive_ms: int | None


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A network server or broker that we are a client of."""

    way: str
    connected: bool
    since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PublisherFacts:
    """An outlet: failures in a row, what it last complained of, how many rows wait on its side list."""

    name: str
    failures: int
    trouble: str
    rejected: int
    behind: int


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The disk on which the data directory is, in bytes. free: what is left for us."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """The certificate of a listener of ours. section: of the settings."""

    section: str
    ends_ms: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything at one moment. started_ms: since when we listen. disk: why it refuses, or "".

    devices: perhaps read as they are looked at: go over them once.
    """

    now_ms: int
    started_ms: int
    devices: Iterable[DeviceFacts] = ()
    gateways: tuple[GatewayFacts, ...] = ()
    networks: tuple[NetworkFacts, ...] = ()
    publishers: tuple[PublisherFacts, ...] = ()
    disk: str = ""
    space: DiskFacts | None = None
    certificates: tuple[CertificateFacts, ...] = ()
