"""A new MicroPython image into the partition that does not run, with the boot loader's own way back.

The boot loader of ESP-IDF, with rollback enabled as MicroPython builds it, starts a chosen image once;
unless that
calls mark_app_valid_cancel_rollback(), the next start is of the one before, whatever ended the first.
"""

from wire._compat import const

_BLOCK = const(4096)


class BaseImage:
    """partition: the class esp32.Partition. OSError where there is no second partition for an application."""

    def __init__(self, partition):
        self._class = partition
        self._next = partition(partition.RUNNING).get_next_update()

    def write(self, read, size):
        """Yield while writing size bytes of read(n), 4 KiB a time; OSError when it is not kept."""
        if size > self._next.info()[3]:
            raise OSError(28)
        block = 0
        left = size
        kept = bytearray(_BLOCK)
        while left > 0:
            data = read(min(left, _BLOCK))
            if not data:
                raise OSError(5)
            left -= len(data)
            if len(data) < _BLOCK:
                data = bytes(data) + b"\xff" * (_BLOCK - len(data))
            self._next.writeblocks(block, data)
            self._next.readblocks(block, kept)
            if kept != data:
                raise OSError(5)
            block += 1
            yield

    def choose(self):
        """Start it next; OSError when the chip does not take it for an image."""
        self._next.set_boot()

    def mark_good(self):
        """It stays."""
        self._class.mark_app_valid_cancel_rollback()
