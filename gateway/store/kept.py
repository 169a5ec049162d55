"""What the writer of the store remembers between batches, until another process has written."""

from __future__ import annotations

from array import array

from gateway.shapes import Shape

LOOK, NOTHING = -1, -3  # instead of a set of quantities: look into `last`; there is nothing in it


class Kept:
    """What the writer remembers between batches. Arrays are indexed by the numbers of devices and sites."""

    def __init__(self) -> None:
        self.devices: dict[str, int] = {}
        self.sites: dict[str, int] = {}
        self.shapes: dict[Shape, int] = {}
        self.shapes_by_id: dict[int, Shape] = {}
        self.sets: dict[tuple[str, ...], int] = {}  # quantities -> a number, for `site_set`
        self.set_of: dict[int, tuple[int, int]] = {}  # shape -> its set, and the mask of all of it
        self.top_seq = array("q")
        self.f_cnt = array("q")  # -1: none
        self.missed = array("q")
        self.site_ms = array("q")
        self.site_set = array("q")  # of the only part of `last`, or LOOK, NOTHING

    def forget(self) -> None:
        """Drop what another writer may have changed. Numbers of devices, sites and shapes never change."""
        self.__init__()

    def keep_device(self, dev_eui: str, number: int, top: int, f_cnt: int, missed: int) -> None:
        """Note a device and what is written of it."""
        for numbers in (self.top_seq, self.f_cnt, self.missed):
            _reach(numbers, number)
        self.devices[dev_eui] = number
        self.top_seq[number], self.f_cnt[number], self.missed[number] = top, f_cnt, missed

    def keep_site(self, site_id: str, number: int, observed_at_ms: int, quantities: int = LOOK) -> None:
        """Note a site and its newest observed time. quantities: see `site_set`."""
        for numbers in (self.site_ms, self.site_set):
            _reach(numbers, number)
        self.sites[site_id] = number
        self.site_ms[number], self.site_set[number] = observed_at_ms, quantities


def _reach(numbers: array[int], number: int) -> None:
    if number >= len(numbers):
        numbers.extend(array("q", bytes(8 * (number + 1 + len(numbers) // 8 - len(numbers)))))
