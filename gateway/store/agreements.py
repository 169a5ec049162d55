"""Which sites a recipient may see and since when, kept for a while: the same sites are asked for again.

What is kept is thrown away at any change of the register, in whatever process, and as soon as an agreement
begins or ends by the clock. A city has 100,000 sites: the newest few are kept as they are, all of them as a
hundred bytes each.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from sys import intern
from typing import cast

from gateway.model import PublicSite

KEPT_S = 1.0
LONGEST_S = 60.0  # then it is looked whether the clock was set
_SLACK_S = 2.0
WHOLE = 4000
Agreed = Mapping[str, tuple[PublicSite, int]]
_Common = tuple[str, str, int]  # kind, licence, precision: what many sites share
_HEAD = struct.Struct("<Hqdd")  # number of what is shared, since, longitude, latitude; the name behind
_MOST_COMMON = 60_000


class Agreements:
    """The agreements of one recipient; safe to ask from any thread."""

    def __init__(
        self,
        find: Callable[[Sequence[str]], Agreed],
        version: Callable[[], object] | None = None,
        lasts_s: Callable[[], float] | None = None,
    ) -> None:
        """find: looks sites up. version: what differs after a change; without it nothing is kept.

        lasts_s: after how many seconds the first agreement begins or ends that has not yet; without it
        nothing is kept longer than KEPT_S.
        """
        self._find = find
        self._version = version
        self._lasts_s = lasts_s
        self._lock = threading.Lock()
        self._seen: object = None
        self._until_s = 0.0
        self._change_s = -1.0  # when the first agreement begins or ends; -1: not known
        self._whole: dict[str, tuple[PublicSite, int] | None] = {}
        self._packed: dict[str, bytes | None] = {}
        self._numbers: dict[_Common, int] = {}
        self._common: list[_Common] = []

    def of(self, site_ids: Sequence[str]) -> Agreed:
        """Return those of some sites that agreed, with the observed time from which on."""
        if self._version is None:
            return self._find(site_ids)
        with self._lock:
            self._check(self._version())
            whole = self._whole
            missing = [site_id for site_id in site_ids if site_id not in whole]
            if missing:
                if len(whole) + len(missing) > WHOLE:
                    whole.clear()
                    missing = site_ids
                self._bring(missing)
            found: dict[str, tuple[PublicSite, int]] = {}
            for site_id in site_ids:
                one = whole[site_id]
                if one is not None:
                    found[site_id] = one
            return found

    def _check(self, version: object) -> None:
        """Throw away what may have changed."""
        now_s = time.monotonic()
        if version == self._seen and now_s < self._until_s:
            return
        lasts_s, change_s = KEPT_S, -1.0
        if version == self._seen and self._lasts_s is not None:  # nobody is writing: worth a look
            lasts_s = max(0.0, self._lasts_s())
            change_s = now_s + lasts_s
        # Still before the same change: nothing has begun or ended, and nobody has set the clock.
        is_same = (
            version == self._seen and now_s < self._change_s and abs(change_s - self._change_s) < _SLACK_S
        )
        self._seen, self._until_s, self._change_s = version, now_s + min(LONGEST_S, lasts_s), change_s
        if is_same:
            return
        self._whole.clear()
        self._packed.clear()

    def _bring(self, site_ids: Sequence[str]) -> None:
        whole, packed = self._whole, self._packed
        strange: list[str] = []
        for site_id in site_ids:
            if site_id in packed:
                text = packed[site_id]
                whole[site_id] = None if text is None else self._unpacked(site_id, text)
            else:
                strange.append(site_id)
        if not strange:
            return
        found = self._find(strange)
        for site_id in strange:
            one = whole[site_id] = found.get(site_id)
            packed[site_id] = None if one is None else self._text(*one)

    def _text(self, site: PublicSite, since_ms: int) -> bytes:
        common = site.kind, site.licence, site.precision_m
        number = self._numbers.get(common)
        if number is None:
            if len(self._common) >= _MOST_COMMON:
                self._packed.clear()
                self._numbers.clear()
                self._common.clear()
            number = self._numbers[intern(site.kind), intern(site.licence), site.precision_m] = len(
                self._common
            )
            self._common.append(common)
        return _HEAD.pack(number, since_ms, site.longitude, site.latitude) + site.name.encode()

    def _unpacked(self, site_id: str, text: bytes) -> tuple[PublicSite, int]:
        number, since_ms, longitude, latitude = cast("tuple[int, int, float, float]", _HEAD.unpack_from(text))
        kind, licence, precision_m = self._common[number]
        name = text[_HEAD.size :].decode()
        return PublicSite(site_id, name, kind, longitude, latitude, precision_m, licence, (), None), since_ms
