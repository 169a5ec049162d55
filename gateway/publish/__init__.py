"""Publishers: how observations leave for other platforms. One folder a platform; see README.md."""

from gateway.publish.base import Outcome, Packed, Parcel, Publisher, Rejection
from gateway.publish.follower import Backoff, Follower
from gateway.publish.sidelist import FileSideList, SideList

__all__ = [
    "Backoff",
    "FileSideList",
    "Follower",
    "Outcome",
    "Packed",
    "Parcel",
    "Publisher",
    "Rejection",
    "SideList",
]
