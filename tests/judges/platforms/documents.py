"""What the platforms of README.md are given: `python -m tests.judges.platforms.documents --help`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gateway.counters import Counters
from gateway.publish.catalog import CatalogSettings, rdf
from gateway.publish.catalog.dcat import catalog
from gateway.publish.home_assistant import HomeAssistantPublisher, HomeAssistantSettings
from gateway.publish.quantities import quantity_units
from tests.gateway.memory_reader import MemoryReader, street


def discovery() -> list[list[list[str]]]:
    """Return (topic, content) of device document and state of a site with every quantity there is."""
    reader = MemoryReader()
    reader.add_site("plein.1 é", "air", "Plein")
    for quantity, unit in quantity_units().items():
        reader.add("plein.1 é", quantity, unit, 7.5)
    publisher = HomeAssistantPublisher(HomeAssistantSettings(expire_after_s=3600), Counters())
    parcels = publisher.pack(reader.rows, reader).parcels
    return [[[one.topic, one.payload.decode()] for one in parcel.content] for parcel in parcels]


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("discovery", type=Path, nargs="?")
    parser.add_argument("--catalog", type=Path)
    asked = parser.parse_args()
    if asked.discovery:
        asked.discovery.write_text(json.dumps(discovery()))
    if asked.catalog:
        settings = CatalogSettings(publisher="Stad Voorbeeld", email="meet@stad.example", title="Voorbeeld")
        nodes = catalog(street().sites(), "https://meet.example", settings)
        asked.catalog.write_text(rdf.turtle(nodes), encoding="utf-8")


if __name__ == "__main__":
    main()
