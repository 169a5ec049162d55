"""The few file operations that the log needs, in one folder of the flash file system."""

import os


class Files:
    """Append-only files in a folder that is made when it is missing."""

    def __init__(self, folder):
        self._folder = folder
        try:
            os.mkdir(folder)
        except OSError:
            pass  # it is there, or nothing can be written: the first append will say so

    def names(self):
        """Return the names in the folder; none when it cannot be read."""
        try:
            return os.listdir(self._folder)
        except OSError:
            return []

    def read(self, name, offset=0, limit=65536):
        """Return up to limit bytes from an offset on; b"" for a file that is not there."""
        try:
            with open(self._folder + "/" + name, "rb") as f:
                if offset:
                    f.seek(offset)
                return f.read(limit)
        except OSError:
            return b""

    def append(self, name, data):
        """Append and close: littlefs commits on close, so after it the bytes outlive a power cut."""
        with open(self._folder + "/" + name, "ab") as f:
            if f.write(data) != len(data):
                raise OSError(28)  # ENOSPC

    def remove(self, name):
        """Remove a file; one that is gone already is fine."""
        try:
            os.remove(self._folder + "/" + name)
        except OSError:
            pass
