"""Hashes of what a broker has, by the hundred thousand: 32 bytes each, where a dictionary takes 170."""

from __future__ import annotations

from array import array

_LEAST = 64
_MASK = (1 << 64) - 1
_MIX = 0x9E3779B97F4A7C15  # hashes of texts are spread already, those of tuples not always


class Hashes:
    """Numbers by number, as `hash` gives them; both are kept. A dictionary, open-addressed in two arrays."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._n = 0
        self._keys = array("q", bytes(8 * _LEAST))
        self._values = array("q", bytes(8 * _LEAST))  # 0: the place is free, or its key was taken out

    def get(self, key: int) -> int:
        """Return what is kept under a key, 0 where nothing is."""
        return self._values[self._place(key)]

    def put(self, key: int, value: int = 1) -> None:
        """Keep a number under a key; 0 takes it out."""
        key = key or 1
        at = self._place(key)
        if not self._keys[at]:
            if not value:
                return
            if 5 * self._n >= 3 * len(self._keys):
                self._grow()
                at = self._place(key)
            self._keys[at] = key
            self._n += 1
        self._values[at] = value

    def _place(self, key: int) -> int:
        """Return where a key stands, or the free place where it would."""
        key = key or 1
        keys = self._keys
        most = len(keys) - 1
        at = (key * _MIX & _MASK) >> 40 & most
        while keys[at] and keys[at] != key:
            at = at + 1 & most
        return at

    def _grow(self) -> None:
        found = [(key, value) for key, value in zip(self._keys, self._values, strict=True) if value]
        size = len(self._keys)
        while 5 * len(found) >= 2 * size:
            size *= 2
        self._n = 0
        self._keys, self._values = array("q", bytes(8 * size)), array("q", bytes(8 * size))
        for key, value in found:
            self.put(key, value)
