"""Why nothing comes: causes, one incident for each, and what was said of it to whom."""

from gateway.health.book import Entry, IncidentBook
from gateway.health.causes import Incident, Rules, incidents
from gateway.health.facts import DeviceFacts, Facts, GatewayFacts, NetworkFacts, PublisherFacts

__all__ = (
    "DeviceFacts",
    "Entry",
    "Facts",
    "GatewayFacts",
    "Incident",
    "IncidentBook",
    "NetworkFacts",
    "PublisherFacts",
    "Rules",
    "incidents",
)
