"""What is on a label and on a card, in three languages.

The first QR code follows LoRa Alliance TR005 "LoRaWAN Device Identification QR Codes":
LW:D0:<JoinEUI>:<DevEUI>:<ProfileID> and extensions, here serial number (S) and checksum (C). The AppKey is
not part of TR005 and of no label. ProfileID is VendorID and the vendor's profile; Meetnet has no VendorID of
the alliance, so FFFF.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

VENDOR_ID = "FFFF"
PROFILES = {"air": "0001", "noise": "0002", "bin": "0003", "garden": "0004"}
_EUI = re.compile(r"[0-9a-fA-F]{16}")
_SERIAL = re.compile(r"[0-9A-Z $%*+\-./]{1,32}")  # QR's alphanumeric set without the colon

MEASURES = {
    "air": ("Meet luchtkwaliteit", "Mesure la qualité de l'air", "Measures air quality"),
    "noise": (
        "Meet geluid, neemt niets op",
        "Mesure le bruit, sans enregistrer",
        "Measures noise, records nothing",
    ),
    "bin": ("Meet hoe vol de bak is", "Mesure le remplissage du bac", "Measures how full the bin is"),
    "garden": ("Meet hitte en regen", "Mesure la chaleur et la pluie", "Measures heat and rain"),
}
OF = ("Van {}", "Appartient à : {}", "Belongs to {}")
SCAN = ("Bekijk de metingen", "Voir les mesures", "See the values")
LANGUAGES = ("nl", "fr", "en")
CARD = {
    "title": ("Jouw sensor", "Votre capteur", "Your sensor"),
    "steps": (
        ("1. Zet de sensor aan.", "2. Scan deze code.", "3. Bekijk je eerste meting."),
        ("1. Allumez le capteur.", "2. Scannez ce code.", "3. Voyez votre première mesure."),
        ("1. Switch the sensor on.", "2. Scan this code.", "3. See your first value."),
    ),
    "keep": (
        "Bewaar deze kaart: wie de code heeft, is de baas over de sensor.",
        "Gardez cette carte : qui a le code est maître du capteur.",
        "Keep this card: whoever has the code owns the sensor.",
    ),
}


@dataclass(frozen=True, slots=True)
class Label:
    """A device as its label shows it. url: its page. tag: of gateway.claims, its serial number."""

    dev_eui: str
    kind: str
    name: str
    owner: str
    url: str
    tag: str
    join_eui: str | None = None
    language: str = "nl"

    @property
    def measures(self) -> str:
        """What it measures, in words."""
        return MEASURES[self.kind][LANGUAGES.index(self.language)]

    @property
    def whose(self) -> str:
        """Whose it is, in words."""
        return OF[LANGUAGES.index(self.language)].format(self.owner)

    @property
    def address(self) -> str:
        """The address of its page, as people type it."""
        return self.url.removeprefix("https://")

    @property
    def grouped_eui(self) -> str:
        """DevEUI in groups of four."""
        text = self.dev_eui.upper()
        return " ".join(text[start : start + 4] for start in range(0, len(text), 4))

    @property
    def lorawan_code(self) -> str | None:
        """The TR005 code, None for a device on Wi-Fi."""
        if self.join_eui is None:
            return None
        return tr005(self.join_eui, self.dev_eui, VENDOR_ID + PROFILES[self.kind], serial=self.tag)


@dataclass(frozen=True, slots=True)
class Card:
    """The card in the box. url leads to the claim page and has the code in it: its repr shows neither."""

    code: str = field(repr=False)
    url: str = field(repr=False)
    name: str
    language: str = "nl"


def tr005(join_eui: str, dev_eui: str, profile_id: str, serial: str = "") -> str:
    """Return a TR005 code; ValueError when a field cannot be in one."""
    for name, value in (("JoinEUI", join_eui), ("DevEUI", dev_eui)):
        if not _EUI.fullmatch(value):
            raise ValueError(f"{name}: {value!r} is not 16 hex digits")
    if not re.fullmatch(r"[0-9A-F]{8}", profile_id):
        raise ValueError(f"ProfileID: {profile_id!r} is not 8 upper-case hex digits")
    if serial and not _SERIAL.fullmatch(serial):
        raise ValueError(f"serial number: {serial!r} has characters that a QR code of TR005 cannot have")
    code = f"LW:D0:{join_eui.upper()}:{dev_eui.upper()}:{profile_id}"
    if serial:
        code += f":S{serial}"
    return f"{code}:C{crc16(code.encode()):04X}"


def crc16(data: bytes) -> int:
    """Return TR005's checksum: polynomial 0x8005 reflected, initial value FFFF (known as CRC-16/MODBUS)."""
    found = 0xFFFF
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = found >> 1 ^ 0xA001 if found & 1 else found >> 1
    return found
