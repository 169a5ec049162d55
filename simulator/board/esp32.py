# `esp32` of ports/esp32: NVS and raw flash partitions as files beside the node's flash root.
import ujson
import uos

from _link import HELLO, ask_with, tell

_ROOT = HELLO["nvs_root"]
_BLANK = b"\xff" * 256  # the chip erases by itself: no memory of the board goes into it
_NOT_FOUND = (-4354, "ESP_ERR_NVS_NOT_FOUND")
HEAP_DATA = 4
HEAP_EXEC = 1
WAKEUP_ALL_LOW = False
WAKEUP_ANY_HIGH = True


class NVS:
    """Keys of one namespace. As on the chip, commit() is what makes a change durable."""

    def __init__(self, namespace):
        if len(namespace) > 15:
            raise OSError(-4361, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._path = _ROOT + "/nvs-" + namespace + ".json"
        try:
            with open(self._path) as f:
                self._keys = ujson.load(f)
        except OSError:
            self._keys = {}
        self._written = 0  # entries of 32 bytes since the last commit

    def _set(self, kind, key, value):
        if len(key) > 15:
            raise OSError(-4361, "ESP_ERR_NVS_KEY_TOO_LONG")
        self._keys[key] = [kind, value]
        self._written += 1 if kind == "i" else 2 + (len(value) // 2 + 31) // 32

    def _get(self, kind, key):
        entry = self._keys.get(key)
        if entry is None or entry[0] != kind:
            raise OSError(*_NOT_FOUND)
        return entry[1]

    def set_i32(self, key, value):
        if not -0x80000000 <= value <= 0x7FFFFFFF:
            raise OverflowError("overflow converting long int to machine word")
        self._set("i", key, value)

    def get_i32(self, key):
        return self._get("i", key)

    def set_blob(self, key, value):
        self._set("b", key, bytes(value).hex())

    def get_blob(self, key, buffer):
        value = bytes.fromhex(self._get("b", key))
        if len(value) > len(buffer):
            raise OSError(-4364, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def erase_key(self, key):
        if key not in self._keys:
            raise OSError(*_NOT_FOUND)
        del self._keys[key]

    def commit(self):
        with open(self._path + ".new", "w") as f:
            ujson.dump(self._keys, f)
        uos.rename(self._path + ".new", self._path)
        tell(44, 0, 0, None, self._written)
        self._written = 0


class Partition:
    """A raw NOR flash partition: programming only clears bits, erasing sets a block to FF."""

    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1
    BLOCK = 4096

    def __init__(self, id, block_size=4096):
        for number, entry in enumerate(HELLO["partitions"]):
            if entry[0] == id:
                self._label, self._size = entry
                self._number = number
                break
        else:
            raise OSError(-2, "no partition " + str(id))
        self._path = _ROOT + "/partition-" + self._label + ".bin"
        try:
            uos.stat(self._path)
        except OSError:
            with open(self._path, "wb") as f:
                for _ in range(self._size // 256):
                    f.write(_BLANK)

    @classmethod
    def find(cls, type=0, subtype=255, label=None, block_size=4096):
        return [cls(e[0]) for e in HELLO["partitions"] if label is None or e[0] == label]

    def info(self):
        return (1, 0x40, 0, self._size, self._label, False)

    def ioctl(self, cmd, arg=None):
        if cmd == 4:
            return self._size // 4096
        if cmd == 5:
            return 4096
        if cmd == 6:
            with open(self._path, "r+b") as f:
                f.seek(arg * 4096)
                for _ in range(16):
                    f.write(_BLANK)
            tell(43, self._number, arg, None)
        return 0

    def readblocks(self, block, buf, offset=0):
        with open(self._path, "rb") as f:
            f.seek(block * 4096 + offset)
            f.readinto(buf)

    def writeblocks(self, block, buf, offset=None):
        at = block * 4096 + (offset or 0)
        if offset is None:  # the simple block protocol erases first
            for i in range(len(buf) // 4096):
                self.ioctl(6, block + i)
        new, page = memoryview(buf), bytearray(min(len(buf), 256))
        with open(self._path, "r+b") as f:
            for i in range(0, len(buf), 256):
                piece = memoryview(page)[: len(buf) - i]
                f.seek(at + i)
                f.readinto(piece)
                for j in range(len(piece)):
                    piece[j] &= new[i + j]
                f.seek(at + i)
                f.write(piece)

    def mark_app_valid_cancel_rollback(self=None):
        pass


def raw_temperature():
    return 100


def mcu_temperature():
    return 35


def idf_heap_info(capabilities):
    return [(262144, 100000, 90000, 80000)]


def wake_on_ext0(pin=None, level=False):
    raise NotImplementedError("wake on pins is not simulated yet")


def wake_on_ext1(pins=None, level=False):
    raise NotImplementedError("wake on pins is not simulated yet")


def wake_on_ulp(enable):
    pass


class ULP:
    """The coprocessor; simulator/chips/ulp.py runs its program."""

    RESERVE_MEM = 2040

    def set_wakeup_period(self, period_index, period_us):
        if period_index:
            raise NotImplementedError("only period 0 is simulated")
        self._do(0, period_us, b"")

    def load_binary(self, load_addr, program_binary):
        self._do(1, load_addr, bytes(program_binary))

    def run(self, entry_point):
        self._do(2, entry_point, b"")

    def _do(self, what, number, data):
        status = ask_with(40, what, 0, number.to_bytes(4, "little") + data)
        if status:
            raise OSError(status)


def gpio_deep_sleep_hold(enable):
    pass
