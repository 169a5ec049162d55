"""From a box in a garden to a host who sees and owns the data (see README.md).

Two codes belong to a device, and they are not the same:

- the **tag** is on the label, for everybody: it leads to the public page of the site where the device is;
- the **claim token** is on the card in the box, for the host alone: who shows it first owns the device.

`ClaimBook` keeps both on the disk. `Welcome` tells what a new host sees while waiting for the first value.
Signing in is not done here: an owner is whatever text the caller knows a person by.
"""

from gateway.claims.book import Claim, ClaimBook, Look
from gateway.claims.errors import ClaimError
from gateway.claims.tokens import grouped
from gateway.claims.welcome import Progress, Welcome

__all__ = ("Claim", "ClaimBook", "ClaimError", "Look", "Progress", "Welcome", "grouped")
