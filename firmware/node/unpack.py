"""The payload of a bundle as a stream: hashed piece by piece, inflated, cut into entries, written to files.

Everything here is a generator that stops every few kilobytes, so that the state machine measures between.
"""

import hashlib
import io
import os

from wire import update
from wire._compat import const
from wire.errors import WireError

_STEP = const(2048)


class Damaged(ValueError):
    """The payload is not what its head and entries say."""


class _Carried(io.IOBase):
    """The payload as it came, readable as MicroPython's streams are."""

    def __init__(self, inbox):
        self._inbox = inbox
        self._at = update.HEAD_BYTES

    def readinto(self, buf):
        data = self._inbox.read(self._at, len(buf))
        buf[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readable(self):
        return True


def _inflated(stream):
    """Return something with read(n) over raw DEFLATE."""
    try:
        import deflate

        return deflate.DeflateIO(stream, deflate.RAW, update.WINDOW_BITS)
    except ImportError:  # CPython
        import zlib

        data = bytearray()
        part = bytearray(4096)
        while True:
            n = stream.readinto(part)
            if not n:
                break
            data += part[:n]
        try:
            return io.BytesIO(zlib.decompressobj(-15).decompress(bytes(data)))
        except zlib.error:
            raise Damaged("no DEFLATE")


def hashed(inbox, head):
    """Yield while hashing the payload; Damaged when it is another than was signed."""
    sha = hashlib.sha256()
    at = update.HEAD_BYTES
    while at < inbox.size:
        data = inbox.read(at, _STEP)
        if not data:
            raise Damaged("a piece is missing")
        sha.update(data)
        at += len(data)
        yield
    if sha.digest() != head.sha256:
        raise Damaged("payload")


def payload(inbox, head):
    """Return read(n) of the payload unpacked; what cannot be inflated raises Damaged."""
    stream = _Carried(inbox)
    if not head.flags & update.DEFLATED:

        def read_plain(n):
            out = b""
            while len(out) < n:
                part = bytearray(min(n - len(out), 512))
                got = stream.readinto(part)
                if not got:
                    break
                out += part[:got]
            return out

        return read_plain
    inflated = _inflated(stream)

    def read(n):
        out = b""
        try:
            while len(out) < n:
                part = inflated.read(n - len(out))
                if not part:
                    break
                out += part
        except (OSError, EOFError, ValueError):  # what DeflateIO raises for bytes that are no DEFLATE
            raise Damaged("no DEFLATE")
        return out

    return read


def remove_tree(folder):
    """Yield while removing a folder with all that is in it."""
    try:
        names = list(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = folder + "/" + name
        try:
            os.remove(path)
        except OSError:
            for _ in remove_tree(path):
                yield
        yield
    try:
        os.rmdir(folder)
    except OSError:
        pass


def make_folders(path):
    """Make the folders that a file's name needs."""
    at = path.find("/")
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass  # it is there
        at = path.find("/", at + 1)


def _digest8(path):
    sha = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            data = f.read(512)
            if not data:
                return sha.digest()[:8]
            sha.update(data)


def entries(read, place, present=None):
    """Yield while writing every entry; place(name) is its path, or None where it may not be.

    present(name): the path of the same file of the application that runs, for entries that do not follow.
    Damaged for what is not as signed, OSError when the flash refuses or did not keep it.
    """
    while True:
        try:
            row = update.read_entry(read)
        except WireError as error:
            raise Damaged(str(error))
        if row is None:
            return
        name, how, size, digest = row
        path = place(name)
        if path is None:
            raise Damaged(name)
        make_folders(path)
        sha = hashlib.sha256()
        left = size
        source = None
        if how == 1:
            try:
                source = open(present(name), "rb")
            except OSError:
                raise Damaged(name + " is not there")
        with open(path, "wb") as f:
            while left:
                n = min(left, 512)
                data = read(n) if source is None else source.read(n)
                if len(data) != n:
                    raise Damaged(name)
                sha.update(data)
                if f.write(data) != n:
                    raise OSError(28)
                left -= n
                if left % _STEP < 512:
                    yield
        if source is not None:
            source.close()
        if sha.digest()[:8] != digest:
            raise Damaged(name)
        if _digest8(path) != digest:
            raise OSError(5)
        yield
