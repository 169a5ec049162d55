"""Who measures what where: organisations, sites, devices, deployments, consents, keys."""

from gateway.registry.database import Registry
from gateway.registry.model import Deployment, Device, RowReport, Site
from gateway.registry.street import import_devices

__all__ = ("Deployment", "Device", "Registry", "RowReport", "Site", "import_devices")
