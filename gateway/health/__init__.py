"""Why nothing comes: causes, one incident for each, and what was said of it to whom."""

from gateway.health.book import Entry, IncidentBook
from gateway.health.causes import incidents, verdict
from gateway.health.facts import (
    CertificateFacts,
    DeviceFacts,
    DiskFacts,
    Facts,
    GatewayFacts,
    NetworkFacts,
    Newest,
    PublisherFacts,
)
from gateway.health.rules import Incident, Rules

__all__ = (
    "CertificateFacts",
    "DeviceFacts",
    "DiskFacts",
    "Entry",
    "Facts",
    "GatewayFacts",
    "Incident",
    "IncidentBook",
    "NetworkFacts",
    "Newest",
    "PublisherFacts",
    "Rules",
    "incidents",
    "verdict",
)
