"""The types that cross the gateway's stages.

    ingest/lns --Uplink--> store (raw, durable) --> decode --Decoded--> quality --Observation--> store
    store --PublicObservation, PublicSite--> publish, web

Times are integer milliseconds since 1970-01-01T00:00:00Z. DevEUIs are 16 lower-case hex digits.
Only the `Public…` types may leave the house: they carry no DevEUI and no exact position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import msgspec

from gateway.errors import IngestError
from gateway.shapes import Form, Head, Judged, Reading, Readings, Shape, Value, shape

__all__ = ("Form", "Head", "Judged", "Reading", "Readings", "Shape", "Value")


class Reception(msgspec.Struct, frozen=True, gc=False):
    """How one gateway heard a frame."""

    gateway_id: str
    rssi_dbm: float | None = None
    snr_db: float | None = None
    frequency_hz: int | None = None
    data_rate: str | None = None


class Uplink(msgspec.Struct, frozen=True, gc=False):
    """One application payload as it came in, deduplicated and (for LoRaWAN) decrypted and verified."""

    source: str
    dev_eui: str
    f_port: int
    payload: bytes
    received_at_ms: int
    f_cnt: int | None = None
    receptions: tuple[Reception, ...] = ()


class UplinkSink(Protocol):
    """Where ingest hands its uplinks over."""

    async def accept(self, uplink: Uplink) -> None:
        """Return when the uplink is durable; raise StoreError when it cannot be: do not acknowledge then."""
        ...


class BatchSink(UplinkSink, Protocol):
    """Where ingest that gets many uplinks at a time hands them over."""

    async def accept_all(self, uplinks: Sequence[Uplink]) -> Sequence[IngestError]:
        """Return when all are durable but those that can never be, with the reasons; raise StoreError."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """What the built-in network server needs of a device. Never logged: repr shows no key."""

    dev_eui: str
    join_eui: str
    app_key: bytes = field(repr=False)


class KeySource(Protocol):
    """Where the network server asks for keys."""

    def device_keys(self, dev_eui: str) -> DeviceKeys | None:
        """Return the keys of a registered LoRaWAN device, or None."""
        ...


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """One record of one device."""

    dev_eui: str
    seq: int
    observed_at_ms: int
    time_quality: str
    received_at_ms: int
    readings: Readings  # single readings will do

    def __post_init__(self) -> None:
        """Put single readings together."""
        if type(self.readings) is not Readings:
            msgspec.structs.force_setattr(self, "readings", Readings.of(self.readings))


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One value of one quantity at one site, raw and corrected side by side.

    value is what is shown and published: raw_value after `method` at `method_version`, or raw_value
    itself when method is "none". flags are the names of the quality checks that spoke up.
    """

    site_id: str
    dev_eui: str
    seq: int
    quantity: str
    unit: str
    raw_value: float | None
    value: float | None
    state: str
    flags: tuple[str, ...]
    method: str
    method_version: int
    observed_at_ms: int
    received_at_ms: int
    time_quality: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a second look at a series in [from_ms, to_ms) found: a flag, by which version, why in numbers."""

    site_id: str
    quantity: str
    from_ms: int
    to_ms: int
    flag: str
    version: int
    detail: str


class PublicSite(msgspec.Struct, frozen=True, gc=False):
    """A site as the world may see it: position already snapped to the host's grid cell."""

    site_id: str
    name: str
    kind: str  # air, noise, bin, garden
    longitude: float
    latitude: float
    precision_m: int
    licence: str
    quantities: tuple[str, ...]
    last_observed_at_ms: int | None


class PublicObservation(msgspec.Struct, frozen=True, gc=False):
    """An observation as the world may see it. `position` orders the store for publishers."""

    position: int
    site_id: str
    quantity: str
    unit: str
    raw_value: float | None
    value: float | None
    state: str
    flags: tuple[str, ...]
    method: str
    method_version: int
    observed_at_ms: int
    received_at_ms: int


class PublicRecord(msgspec.Struct, frozen=True, gc=False):
    """The observations of one record of a public site, in one piece: `rows` takes it apart.

    The observation at index i has the position `position + i`.
    """

    position: int
    site_id: str
    observed_at_ms: int
    received_at_ms: int
    forms: tuple[Form, ...]
    raws: tuple[Value, ...]
    values: tuple[Value, ...]
    is_late: bool | None = None  # whether the store had newer values of its site before it; None: not known

    def rows(self) -> list[PublicObservation]:
        """Return its observations."""
        return [
            PublicObservation(
                self.position + at, self.site_id, form.quantity, form.unit, raw, value, form.state,
                form.flags, form.method, form.method_version, self.observed_at_ms, self.received_at_ms,
            )
            for at, (form, raw, value) in enumerate(zip(self.forms, self.raws, self.values, strict=True))
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bucket:
    """What the shown values of a series amount to in [start_ms, start_ms + step). mean: of levels, by energy.

    n: how many values there were, flagged ones included; low, mean and high leave those out where others are.
    """

    start_ms: int
    low: float
    mean: float
    high: float
    n: int
    flagged: int


class PublicReader(Protocol):
    """What publishers and pages read. Consent and precision are applied before this door."""

    def sites(self) -> Sequence[PublicSite]:
        """Return the sites that are public, by id."""
        ...

    def latest(self) -> Sequence[PublicObservation]:
        """Return the newest observation (by observed time) of each site and quantity."""
        ...

    def series(
        self, site_id: str, quantity: str, start_ms: int, end_ms: int, limit: int = 10_000
    ) -> Sequence[PublicObservation]:
        """Return one series in [start_ms, end_ms), by observed time; the newest `limit` if there are more."""
        ...

    def buckets(
        self, site_id: str, quantity: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Sequence[Bucket]:
        """Return a series in [start_ms, end_ms) as buckets that begin at start_ms + k * step_ms, by time.

        Buckets without a value are left out. Quick for years when start_ms and step_ms are whole hours. The
        number of buckets is the caller's: choose step_ms by the width of the chart.
        """
        ...

    def after(self, position: int, limit: int) -> Sequence[PublicObservation]:
        """Return observations in store order after a position: how publishers follow."""
        ...

    def observations(
        self, start_ms: int, end_ms: int, site_id: str | None = None, limit: int = 100_000
    ) -> Sequence[PublicObservation]:
        """Return observations in [start_ms, end_ms), by observed time then position."""
        ...


@runtime_checkable
class RecordReader(PublicReader, Protocol):
    """A PublicReader that gives whole records, and of some sites only what is asked."""

    def records_after(self, position: int, limit: int) -> Sequence[PublicRecord]:
        """Return whole records in store order, the first of which may begin at or before a position."""
        ...

    def places_of(self, site_ids: Sequence[str]) -> Mapping[str, PublicSite]:
        """Return those of some sites that are public, without what was measured there."""
        ...

    def latest_of(self, site_ids: Sequence[str]) -> Sequence[PublicObservation]:
        """Return the newest observation of each quantity of some sites."""
        ...

    def quantities_of(self, site_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return what is measured at each of some sites, as far as it is public."""
        ...

    def newest_of(self, site_ids: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """Return of each of some sites the newest observed time, and the lowest position of its latest."""
        ...


class PositionStore(Protocol):
    """Durable positions of publishers."""

    def load(self, publisher: str) -> int:
        """Return the last confirmed position, 0 if there is none."""
        ...

    def save(self, publisher: str, position: int) -> None:
        """Make a position durable."""
        ...


@dataclass(frozen=True, slots=True)
class LoraFrame:
    """A LoRa frame with a good CRC as one radio gateway heard it; nothing else is known of it yet.

    timestamp_us is the gateway's own microsecond counter (32 bits, wraps) at the end of the frame.
    context is what the gateway's protocol wants back with an answer; nobody else reads it.
    """

    gateway_id: str
    phy: bytes
    timestamp_us: int
    frequency_hz: int
    spreading_factor: int
    bandwidth_khz: int
    rssi_dbm: float | None
    snr_db: float | None
    received_at_ms: int
    context: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class LoraDownlink:
    """A LoRa frame for one radio gateway to send, IQ inverted and without CRC, at its own timestamp_us.

    delay_s is the same moment counted from the end of the uplink that `context` came with. fallback is
    the same frame in the second window, for a gateway that chooses between the two itself.
    """

    gateway_id: str
    phy: bytes
    timestamp_us: int
    frequency_hz: int
    spreading_factor: int
    bandwidth_khz: int
    power_dbm: int
    delay_s: int = 0
    context: tuple[int, int] | None = None
    fallback: LoraDownlink | None = None


class FrameSink(Protocol):
    """Where an ingest for radio gateways hands its frames over: the built-in network server."""

    def frame(self, frame: LoraFrame) -> None:
        """Take a frame; returns at once and never raises."""
        ...


class DownlinkSender(Protocol):
    """A way to radio gateways."""

    def reaches(self, gateway_id: str) -> bool:
        """Tell whether this gateway can be sent to now."""
        ...

    async def transmit(self, downlink: LoraDownlink) -> str | None:
        """Hand a frame to its gateway; None when the gateway will send it, else why not (`TOO_LATE`)."""
        ...


class DownlinkQueue(Protocol):
    """Where an application hands over a payload for a device."""

    async def enqueue(self, dev_eui: str, f_port: int, payload: bytes, confirmed: bool = False) -> str:
        """Queue a payload for the device's next uplink; return its id once the queue has it.

        RegistryError when device, port or length cannot be; DownlinkError when no network takes it now.
        """
        ...


def judged(observations: Sequence[Observation], n_readings: int | None = None) -> Judged:
    """Return the observations of one record in one piece; the first n_readings came from the device."""
    forms = tuple(
        Form(o.quantity, o.unit, o.state, o.flags, o.method, o.method_version) for o in observations
    )
    time_quality = observations[0].time_quality if observations else ""
    n = len(forms) if n_readings is None else n_readings
    return Judged(
        shape(time_quality, forms, n),
        tuple(o.raw_value for o in observations),
        tuple(o.value for o in observations),
    )


def observations(decoded: Decoded, site_id: str, found: Judged) -> list[Observation]:
    """Return the observations of one record one by one."""
    return [
        Observation(
            site_id, decoded.dev_eui, decoded.seq, form.quantity, form.unit, raw, value, form.state,
            form.flags, form.method, form.method_version, decoded.observed_at_ms, decoded.received_at_ms,
            decoded.time_quality,
        )
        for form, raw, value in zip(found.shape.forms, found.raws, found.values, strict=True)
    ]  # fmt: skip
