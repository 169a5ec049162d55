"""Publishers: how observations leave for other platforms. One folder a platform; see README.md."""

from gateway.publish.base import Announcer, Outcome, Packed, Parcel, Publisher, Rejection
from gateway.publish.follower import Backoff, Follower
from gateway.publish.sidelist import FileSideList, SideList
from gateway.publish.sitebook import News, SiteBook, Told

__all__ = [
    "Announcer",
    "Backoff",
    "FileSideList",
    "Follower",
    "News",
    "Outcome",
    "Packed",
    "Parcel",
    "Publisher",
    "Rejection",
    "SideList",
    "SiteBook",
    "Told",
]
