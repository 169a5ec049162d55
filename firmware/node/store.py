"""Small durable values by name, in NVS: they survive power cuts, updates and the loss of the file system."""

import esp32

_FIRST_TRY = 512
_LARGEST = 4096


class NvsStore:
    """load(name) -> bytes | None, save(name, bytes). Names have at most 15 characters."""

    def __init__(self, namespace="meetnet"):
        self._nvs = esp32.NVS(namespace)

    def load(self, name):
        """Return the bytes, or None when there are none."""
        size = _FIRST_TRY
        while size <= _LARGEST:
            buf = bytearray(size)
            try:
                n = self._nvs.get_blob(name, buf)
                return bytes(buf[:n])
            except OSError as error:
                if error.args and error.args[0] == -4354:  # ESP_ERR_NVS_NOT_FOUND
                    return None
            size *= 2
        return None

    def save(self, name, value):
        """Write and commit; durable when it returns. A value that is there already costs no flash."""
        if self.load(name) == value:
            return
        self._nvs.set_blob(name, value)
        self._nvs.commit()
