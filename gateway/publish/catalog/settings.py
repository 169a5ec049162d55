"""What an operator says of the network in the catalogue and the register."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.errors import ConfigError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
PROFILES = {
    "nl": "https://docs.geostandaarden.nl/dcat/dcat-ap-nl30/",
    "eu": "https://semiceu.github.io/DCAT-AP/releases/3.0.1/",
    "vl": "https://data.vlaanderen.be/doc/applicatieprofiel/DCAT-AP-VL/",
}


# Where nobody said otherwise, what the settings retention.* say takes its place.
UNSAID = "Zie de bewaartermijnen van het meetnet."


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """Settings of the catalogue.

    base_url: see the event stream. enabled: whether there is a catalogue at all.
    profile: "nl" (DCAT-AP-NL 3.0), "eu" (DCAT-AP 3.0.1) or "vl" (DCAT-AP-VL): what it says it follows;
        profile_url: another version's address in place of the built-in one.
    title, description: of the network. publisher, publisher_uri: who is responsible for the data.
    contact, email, contact_url: where people turn to with a question or a complaint (P13); without either the
        page itself.
    language: of title and description, "nl", "fr" or "en".
    purpose, legal_basis, end_date, retention: for the register and the record of processing.
    """

    name: str = "catalog"
    base_url: str = ""
    enabled: bool = True
    profile: str = "nl"
    profile_url: str = ""
    title: str = "Meetnet"
    description: str = "Metingen van lucht, geluid, afvalbakken en tuinen in de buurt."
    publisher: str = ""
    publisher_uri: str = ""
    contact: str = ""
    email: str = ""
    contact_url: str = ""
    language: str = "nl"
    purpose: str = "Inzicht in de leefomgeving voor bewoners en stad."
    legal_basis: str = "Toestemming van de gastheer of gastvrouw (AVG artikel 6, lid 1, onder a)."
    end_date: str = ""
    retention: str = UNSAID

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the key and the remedy."""
        key = f"publish.{self.name}"
        parts = urlsplit(self.base_url)
        if self.base_url and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path):
            raise ConfigError(f"{key}.base_url", "must be like https://meetnet.example, without a path")
        if self.profile not in PROFILES:
            raise ConfigError(f"{key}.profile", 'must be "nl", "eu" or "vl"')
        for entry in ("profile_url", "publisher_uri", "contact_url"):
            value: str = getattr(self, entry)
            if value and (
                urlsplit(value).scheme not in ("http", "https") or re.search(r"[\s<>\"{}|\\^`]", value)
            ):
                raise ConfigError(f"{key}.{entry}", "must be an address like https://stad.example/meetnet")
        if self.email and not re.fullmatch(r"[^\s@<>\"]+@[^\s@<>\"]+", self.email):
            raise ConfigError(f"{key}.email", "must be like meetnet@stad.example")
        if self.language not in ("nl", "fr", "en"):
            raise ConfigError(f"{key}.language", 'must be "nl", "fr" or "en"')
        if self.end_date and not _DATE.fullmatch(self.end_date):
            raise ConfigError(f"{key}.end_date", "must be a date like 2028-12-31")

    @property
    def profile_address(self) -> str:
        """Return the address of the application profile."""
        return self.profile_url or PROFILES[self.profile]
