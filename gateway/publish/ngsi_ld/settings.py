"""What an operator can set of an NGSI-LD broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from gateway.errors import ConfigError
from gateway.publish.posting import check_address

CORE_CONTEXT = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"
SUBJECT_CONTEXT = (
    "https://raw.githubusercontent.com/smart-data-models/dataModel.{subject}/master/context.jsonld"
)


@dataclass(frozen=True, slots=True)
class NgsiLdSettings:
    """Settings of one broker.

    url: the broker's base, before /ngsi-ld/v1.
    name: under which position, counters and side list are kept; another broker needs another name.
    tenant: NGSILD-Tenant, "" for none. token: sent as bearer token, never logged.
    encoding: "ld+json" (context in the body) or "json" (Link header; needs context_url).
    context_url: base address at which this gateway's combined contexts can be fetched by the broker
        (WebSettings.documents serves them under /contexts).
    network: goes into the entities' ids, so that two networks may share a broker.
    provider: dataProvider of each entity, "" to leave it out.
    noise_average_s: time over which a noise node averages; dateObservedFrom lies that long before
        dateObservedTo. 0 says nothing about it: both are the same moment.
    time_zone: whose days Lden is of.
    max_entities: at most so many entities in one request.
    devices: also publish a Device a site and a DeviceModel a kind; their ids follow from site and kind.
    withdrawn: what becomes of a site's entities when its host takes the consent back: "keep" them as they
        are at the broker, or "delete" them there.
    raw_twin: also publish what was measured beside a corrected value, under a dataset of its own; false for
        readers that know one instance of an attribute only (filip 0.8.1).
    batch: "auto" goes over to one entity a request if the broker has no batches; "never" starts so.
    timeout_s: longest wait for an answer.
    """

    url: str
    name: str = "ngsi_ld"
    tenant: str = ""
    token: str = field(default="", repr=False)
    encoding: str = "ld+json"
    context_url: str = ""
    network: str = "meetnet"
    provider: str = ""
    noise_average_s: int = 0
    time_zone: str = "Europe/Brussels"
    max_entities: int = 100
    devices: bool = True
    withdrawn: str = "keep"
    raw_twin: bool = True
    batch: str = "auto"
    timeout_s: float = 20.0
    core_context: str = CORE_CONTEXT
    subject_context: str = SUBJECT_CONTEXT

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        for key in ("url", "context_url"):
            value: str = getattr(self, key)
            if value or key == "url":
                check_address(f"publish.{self.name}.{key}", value, "http://broker:1026")
        if self.encoding not in ("ld+json", "json"):
            raise ConfigError(f"publish.{self.name}.encoding", 'must be "ld+json" or "json"')
        if self.encoding == "json" and not self.context_url:
            raise ConfigError(
                f"publish.{self.name}.context_url",
                "is needed with encoding json: the address of this gateway's /contexts as the broker sees it",
            )
        if not 1 <= self.max_entities <= 1000:
            raise ConfigError(f"publish.{self.name}.max_entities", "must be 1 to 1000, for example 100")
        if self.batch not in ("auto", "never"):
            raise ConfigError(f"publish.{self.name}.batch", 'must be "auto" or "never"')
        if self.withdrawn not in ("keep", "delete"):
            raise ConfigError(f"publish.{self.name}.withdrawn", 'must be "keep" or "delete"')
        try:
            ZoneInfo(self.time_zone)
        except (ValueError, OSError, KeyError):
            raise ConfigError(
                f"publish.{self.name}.time_zone", "must be a name like Europe/Brussels"
            ) from None
        if not 0 <= self.noise_average_s <= 86400:
            raise ConfigError(f"publish.{self.name}.noise_average_s", "must be 0 to 86400 seconds")
        if not 0.1 <= self.timeout_s <= 600:
            raise ConfigError(f"publish.{self.name}.timeout_s", "must be 0.1 to 600 seconds, for example 20")
        if not self.network or not all(sign.isalnum() or sign in "-._" for sign in self.network):
            raise ConfigError(f"publish.{self.name}.network", "must be letters, digits, - . or _")
