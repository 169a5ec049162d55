"""Read a catalogue as CKAN's harvester does: `python ckan_harvest.py CATALOG.ttl`; see README.md."""

import sys
from pathlib import Path

from ckanext.dcat.processors import RDFParser

WANTED = ("identifier", "theme", "contact_name", "publisher_name", "access_rights", "uri", "language")


def main() -> None:
    """Print each dataset; exit with 1 when a field is missing."""
    parser = RDFParser(profiles=["euro_dcat_ap_3"])
    parser.parse(Path(sys.argv[1]).read_text(encoding="utf-8"), _format="turtle")
    missing = 0
    for dataset in parser.datasets():
        extras = {extra["key"]: extra["value"] for extra in dataset.get("extras", [])}
        extras |= {name: dataset[name] for name in WANTED if dataset.get(name)}
        lacks = [name for name in WANTED if not extras.get(name)]
        lacks += [] if dataset.get("title") else ["title"]
        lacks += ["resource" for one in dataset["resources"] if not (one.get("url") and one.get("license"))]
        missing += len(lacks)
        print(dataset.get("title"), len(dataset["resources"]), "resources", "lacks", lacks or "nothing")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
