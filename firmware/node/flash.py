"""Where the record log lives: sectors of NOR flash on a raw partition, or files that behave alike.

Both have `sectors` (how many), `sector_bytes`, erase(i), program(i, offset, data), read(i, offset, n).
Programming only clears bits and goes upwards through a sector that was erased before; what was never
programmed reads as 0xFF. OSError where the flash refuses.
"""

import os

from wire._compat import const

_ERASE = const(6)
_COUNT = const(4)
_SIZE = const(5)


class PartitionFlash:
    """A raw partition. partition: esp32.Partition or alike, an extended block device."""

    def __init__(self, partition):
        self._partition = partition
        self.sectors = partition.ioctl(_COUNT, 0)
        self.sector_bytes = partition.ioctl(_SIZE, 0)

    def erase(self, i):
        """Set a sector to 0xFF."""
        if self._partition.ioctl(_ERASE, i):
            raise OSError(5)

    def program(self, i, offset, data):
        """Write into what was erased before."""
        if self._partition.writeblocks(i, data, offset):
            raise OSError(5)

    def read(self, i, offset, n, page=None):
        """Return n bytes, in page where one of that size is given."""
        buf = page or bytearray(n)
        if self._partition.readblocks(i, buf, offset):
            raise OSError(5)
        return buf


class FileFlash:
    """A folder with one append-only file a sector: for boards whose flash has no partition for the log."""

    def __init__(self, folder, sectors, sector_bytes=4096):
        self._folder = folder
        self.sectors = sectors
        self.sector_bytes = sector_bytes
        try:
            os.mkdir(folder)
        except OSError:
            pass  # it is there, or nothing can be written: the first sector will say so

    def _name(self, i):
        return self._folder + "/" + str(i) + ".sec"

    def erase(self, i):
        """Remove the file."""
        try:
            os.remove(self._name(i))
        except OSError:
            pass

    def program(self, i, offset, data):
        """Append and close: littlefs commits on close, so after it the bytes outlive a power cut."""
        with open(self._name(i), "ab") as f:
            behind = offset - f.seek(0, 2)
            if behind < 0 or f.write(b"\xff" * behind + data) != behind + len(data):
                raise OSError(28)  # ENOSPC, or a file that another hand wrote

    def read(self, i, offset, n, page=None):
        """Return n bytes, 0xFF beyond the end; where a page is given, in it."""
        try:
            with open(self._name(i), "rb") as f:
                f.seek(offset)
                data = f.read(n)
        except OSError:
            data = b""
        if page is None:
            return data + b"\xff" * (n - len(data))
        page[: len(data)] = data
        for at in range(len(data), n):
            page[at] = 0xFF
        return page


def ring_flash(name, kib):
    """Return the flash of a ring: the partition of that name where there is one, else files in a folder."""
    try:
        import esp32

        found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label=name)
        if found:
            return PartitionFlash(found[0])
    except (ImportError, OSError):
        pass
    return FileFlash(name, max(kib // 4, 4))
