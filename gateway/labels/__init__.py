"""Labels for devices and cards for hosts (see README.md).

A label is for everybody who stands before the device: what it measures, whose it is, two QR codes. It has no
secret. A card is for the host alone: it has the claim code.
"""

from gateway.labels.content import Card, Label, tr005
from gateway.labels.layout import card_layout, label_layout
from gateway.labels.render import FORMATS, pdf, png, svg, zpl

__all__ = (
    "FORMATS",
    "Card",
    "Label",
    "card_layout",
    "label_layout",
    "pdf",
    "png",
    "svg",
    "tr005",
    "zpl",
)
