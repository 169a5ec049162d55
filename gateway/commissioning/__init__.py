"""At the pole: is this device hung level, heard well, and does it measure what can be true? (README.md)

`rules` judges (pure functions), `inspection` gathers what they judge, `words` says it in nl, fr and en,
`photo` strips a picture of what it tells of the photographer, `SiteReports` files the result, `replace`
puts a new device in the place of a broken one, `removal` takes one out of service.
"""

from gateway.commissioning.inspection import Inspection, Inspector, Scene
from gateway.commissioning.model import AMBER, GREEN, RED, WAITING, Check, Neighbour, Position, worst
from gateway.commissioning.photo import PhotoError, clean_photo
from gateway.commissioning.removal import Removal, remove_device
from gateway.commissioning.replace import Replacement, replace_device
from gateway.commissioning.reports import ReportError, SiteReport, SiteReports
from gateway.commissioning.uplinks import RecentUplinks
from gateway.commissioning.words import sentence, title

__all__ = (
    "AMBER",
    "GREEN",
    "RED",
    "WAITING",
    "Check",
    "Inspection",
    "Inspector",
    "Neighbour",
    "PhotoError",
    "Position",
    "RecentUplinks",
    "Removal",
    "Replacement",
    "ReportError",
    "Scene",
    "SiteReport",
    "SiteReports",
    "clean_photo",
    "remove_device",
    "replace_device",
    "sentence",
    "title",
    "worst",
)
