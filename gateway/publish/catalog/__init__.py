"""The catalogue of open data (DCAT-AP), the sensor register, and the record of processing."""

from gateway.publish.catalog.processing import processing_record
from gateway.publish.catalog.server import catalog_applications
from gateway.publish.catalog.settings import CatalogSettings

__all__ = ["CatalogSettings", "catalog_applications", "processing_record"]
