"""What pages for people with a role may reach beyond the public door. The composition root fills it in.

Pages for everybody never touch this: they read through `Context.reader`, which knows no device and no exact
position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.registry.accounts import Accounts


def _no_mail(to: str, subject: str, text: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class House:
    """accounts: who may sign in. send_mail: blocks, returns whether it was taken. can_mail: is it set up.

    publishers: what each outlet is doing, by name; called in the loop's thread.
    """

    accounts: Accounts
    can_mail: bool = False
    send_mail: Callable[[str, str, str], bool] = _no_mail
    publishers: Callable[[], dict[str, Any]] = field(default=dict[str, Any])
