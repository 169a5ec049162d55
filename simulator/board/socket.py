# TCP and UDP of a node, carried by the world: real sockets there, the node's own time here.
import uio
from ustruct import pack

from _link import S, ask, ask_with, payload, sleep_until

AF_INET = 2
SOCK_STREAM = 1
SOCK_DGRAM = 2
SOL_SOCKET = 1
SO_REUSEADDR = 2
IPPROTO_TCP = 6
IPPROTO_UDP = 17
TCP_NODELAY = 1
_FOREVER = 0xFFFFFFFF


def _check(status):
    if status:
        raise OSError(status)


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0):
    status = ask_with(20, 0, 0, host.encode())
    if status:
        raise OSError(-2)  # EAI_NONAME as lwIP's port reports it
    address = payload().decode()
    return [(AF_INET, type or SOCK_STREAM, 0, "", (address, port))]


class socket(uio.IOBase):
    # IOBase makes it a stream of MicroPython's, so that the real TLS of the port can lie over it.

    def __init__(self, af=AF_INET, type=SOCK_STREAM, proto=0, ident=None):
        self._open = False
        if ident is None:
            _check(ask(21, type, 0, 0, S.now))
            ident = S.value
        self._id = ident
        self._open = True
        self._wait_ms = _FOREVER

    def ioctl(self, request, argument):
        if request == 4:  # MP_STREAM_CLOSE
            self.close()
        elif request == 3:  # MP_STREAM_POLL: bytes can always be tried
            return argument
        return 0

    def fileno(self):
        return self._id

    def settimeout(self, seconds):
        self._wait_ms = _FOREVER if seconds is None else int(seconds * 1000)

    def setblocking(self, flag):
        self._wait_ms = _FOREVER if flag else 0

    def setsockopt(self, level, option, value):
        pass

    def bind(self, address):
        _check(ask(33, 0, self._id, address[1], S.now))

    def listen(self, backlog=2):
        pass

    def accept(self):
        wait_ms = self._wait_ms
        if S.wdt_at is not None:
            wait_ms = min(wait_ms, max(0, (S.wdt_at - S.now) // 1000 + 1))
        status = ask(34, 0, self._id, wait_ms, S.now)
        if status and S.wdt_at is not None and S.now >= S.wdt_at:
            sleep_until(S.now)
        _check(status)
        return socket(ident=S.value), ("192.168.4.2", 40000)

    def connect(self, address):
        # The wait travels in front of the address; the world answers when connected, refused or late.
        _check(ask_with(22, 0, self._id, self._wait_ms.to_bytes(4, "little") + ("%s:%d" % address).encode()))

    def _receive(self, op, n):
        wait_ms = self._wait_ms
        if S.wdt_at is not None:  # the watchdog must be able to bite in the middle of a wait
            wait_ms = min(wait_ms, max(0, (S.wdt_at - S.now) // 1000 + 1))
        status = ask_with(op, 0, self._id, pack("<II", n, wait_ms))
        if status and S.wdt_at is not None and S.now >= S.wdt_at:
            sleep_until(S.now)
        _check(status)
        return payload()

    def recv(self, n, flags=0):
        return bytes(self._receive(24, n))

    def recvfrom(self, n):
        data = self._receive(26, n)
        host, port = bytes(data[:4]), data[4] << 8 | data[5]
        return bytes(data[6:]), (".".join([str(b) for b in host]), port)

    def send(self, data, flags=0):
        _check(ask_with(23, 0, self._id, data))
        return S.n

    def sendall(self, data):
        data = memoryview(data)
        while len(data):
            data = data[self.send(data) :]

    def write(self, data, n=None):
        if n is not None:
            data = memoryview(data)[:n]
        self.sendall(data)
        return len(data)

    def sendto(self, data, address):
        head = ("%s:%d" % address).encode()
        _check(ask_with(25, len(head), self._id, head + bytes(data)))
        return len(data)

    def read(self, n=None):
        data = b""
        while n is None or len(data) < n:
            try:
                part = self.recv(1024 if n is None else n - len(data))
            except OSError as e:
                if e.errno == 11 and not data:
                    return None  # as MicroPython's stream does on a non-blocking socket
                if e.errno == 11:
                    break
                raise
            if not part:
                break
            data += part
        return data

    def readinto(self, buf, n=None):
        data = self.read(len(buf) if n is None else n)
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    recv_into = readinto

    def readline(self):
        line = b""
        while not line.endswith(b"\n"):
            byte = self.read(1)
            if not byte:
                break
            line += byte
        return line

    def makefile(self, mode="rwb", buffering=0):
        return self

    def close(self):
        if self._open:
            self._open = False
            ask(27, 0, self._id, 0, S.now)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
