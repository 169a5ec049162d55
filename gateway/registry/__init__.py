"""Who measures what where: organisations, sites, devices, deployments, consents, keys."""

from gateway.registry.database import Registry
from gateway.registry.model import Consent, Correction, Deployment, Device, RowReport, Site
from gateway.registry.spots import Spot, Spots
from gateway.registry.street import import_devices

__all__ = (
    "Consent",
    "Correction",
    "Deployment",
    "Device",
    "Registry",
    "RowReport",
    "Site",
    "Spot",
    "Spots",
    "import_devices",
)
