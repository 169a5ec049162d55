"""A small blocking MQTT 3.1.1 client: CONNECT, SUBSCRIBE, PUBLISH both ways at QoS 1, PINGREQ, DISCONNECT.

Section numbers are those of the OASIS standard MQTT 3.1.1. Every wait has an end; any fault closes
the socket and raises MqttError with the reason, and the caller may connect again.
"""

from wire._compat import const

UNREACHABLE = const(1)  # no TCP connection
REFUSED = const(2)  # the broker said no
WRONG_PASSWORD = const(3)  # CONNACK 4 or 5
SILENT = const(4)  # no answer in time, or the connection broke
NAME = const(5)  # the name has no address
TLS = const(6)  # the broker is not who it says
NEVER_MS = const(1 << 29)
MAX_PACKET = const(2048)  # of what we read: only short packets are ever meant for us
MAX_MESSAGES = const(8)  # that wait for the node; more are acknowledged and left


class MqttError(OSError):
    """The connection is gone. `reason` is one of the constants above."""

    def __init__(self, reason, text):
        super().__init__(text)
        self.reason = reason


def tcp(socket, ssl_wrap=None):
    """Return open(host, port, timeout_s) over MicroPython's socket module; ssl_wrap(sock, host) adds TLS."""

    def open_stream(host, port, timeout_s):
        try:
            address = socket.getaddrinfo(host, port)[0][-1]
        except OSError as error:
            raise MqttError(NAME, "no address for " + host + ": " + repr(error))
        sock = socket.socket()
        try:
            sock.settimeout(timeout_s)
            sock.connect(address)
        except OSError as error:
            sock.close()
            raise MqttError(UNREACHABLE, host + " port " + str(port) + ": " + repr(error))
        if ssl_wrap is None:
            return sock
        try:
            return ssl_wrap(sock, host)
        except (OSError, ValueError) as error:  # mbedTLS tells what it does not trust as either
            sock.close()
            raise MqttError(TLS, host + " port " + str(port) + ": " + repr(error))

    return open_stream


def _text(value):
    data = value.encode() if isinstance(value, str) else value
    return len(data).to_bytes(2, "big") + data


def packet(first, body):
    """Return a control packet: first byte, remaining length (2.2.3), body."""
    out = bytearray([first])
    n = len(body)
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out) + body


def connect_packet(client_id, user, password, keepalive_s, clean):
    """Return CONNECT (3.1) with protocol level 4."""
    flags = (0x02 if clean else 0) | (0x80 if user else 0) | (0x40 if user and password else 0)
    body = _text("MQTT") + bytes([4, flags]) + keepalive_s.to_bytes(2, "big") + _text(client_id)
    if user:
        body += _text(user)
        if password:
            body += _text(password)
    return packet(0x10, body)


class Client:
    """One connection at a time.

    open_stream(host, port, timeout_s): an object with read(n), write(data), close(), that raises
    OSError on time-out. clock: ticks_ms, ticks_diff. keepalive_s: 0 switches pings off. The session is a
    lasting one: what is published for us while we are away comes when we are back.

    messages: [(topic, payload)] that came, for the caller to empty.
    """

    def __init__(
        self, open_stream, clock, client_id, host, port, user, password, keepalive_s=120, timeout_s=10
    ):
        self._open = open_stream
        self._clock = clock
        self._where = (host, port)
        self._connect = connect_packet(client_id, user, password, keepalive_s, False)
        self._keepalive_ms = keepalive_s * 1000
        self._timeout_s = timeout_s
        self._stream = None
        self._packet_id = 0
        self._last_ms = 0
        self.messages = []

    @property
    def connected(self):
        """Tell whether a connection stands, as far as we know."""
        return self._stream is not None

    def connect(self):
        """Open a connection and log in; raise MqttError."""
        self.close()
        self._stream = self._open(self._where[0], self._where[1], self._timeout_s)
        self._write(self._connect)
        kind, body = self._read_packet()
        if kind & 0xF0 != 0x20 or len(body) != 2:
            self._fail(REFUSED, "no CONNACK but packet " + str(kind))
        if body[1]:
            # 3.2.2.3: 4 is bad user name or password, 5 is not authorised
            self._fail(WRONG_PASSWORD if body[1] in (4, 5) else REFUSED, "CONNACK " + str(body[1]))

    def publish(self, topic, payload):
        """Publish at QoS 1; return when the broker has taken it (PUBACK), else raise MqttError."""
        packet_id = self._new_id()
        self._write(packet(0x32, _text(topic) + packet_id + payload))
        self._await(0x40, packet_id, "PUBACK")

    def subscribe(self, topic):
        """Ask for messages of a topic at QoS 1 (3.8); tell whether the broker grants it."""
        packet_id = self._new_id()
        self._write(packet(0x82, packet_id + _text(topic) + b"\x01"))
        return self._await(0x90, packet_id, "SUBACK")[2:3] != b"\x80"

    def ping(self):
        """Ask for a sign of life (3.12); what waited for us comes before the answer."""
        if self._stream is None:
            raise MqttError(SILENT, "not connected")
        self._write(b"\xc0\x00")
        self._await(0xD0, b"", "PINGRESP")

    def ping_in_ms(self):
        """Return in how long a ping() is due, 0 when it is."""
        if self._stream is None or not self._keepalive_ms:
            return NEVER_MS
        idle_ms = self._clock.ticks_diff(self._clock.ticks_ms(), self._last_ms)
        return max(self._keepalive_ms // 2 - idle_ms, 0)

    def _new_id(self):
        if self._stream is None:
            raise MqttError(SILENT, "not connected")
        self._packet_id = self._packet_id % 65535 + 1
        return self._packet_id.to_bytes(2, "big")

    def _await(self, wanted, packet_id, name):
        """Read until the answer comes; messages for us are taken meanwhile. Returns its body."""
        started = self._clock.ticks_ms()
        while True:
            first, body = self._read_packet()
            if first & 0xF0 == wanted and bytes(body[: len(packet_id)]) == packet_id:
                return body
            if first & 0xF0 == 0x30:
                self._message(first >> 1 & 3, body)
            if self._clock.ticks_diff(self._clock.ticks_ms(), started) > self._timeout_s * 1000:
                self._fail(SILENT, "no " + name)

    def _message(self, qos, body):
        """Take a PUBLISH (3.3) and acknowledge it."""
        end = 2 + (int.from_bytes(body[:2], "big"))
        topic = bytes(body[2:end])
        if qos:
            if len(body) < end + 2:
                self._fail(SILENT, "a message without identifier")
            self._write(b"\x40\x02" + body[end : end + 2])
            end += 2
        if len(self.messages) < MAX_MESSAGES:
            self.messages.append((topic.decode(), bytes(body[end:])))

    def disconnect(self):
        """Say goodbye and close."""
        if self._stream is not None:
            try:
                self._write(b"\xe0\x00")
            except MqttError:
                pass
        self.close()

    def close(self):
        """Close without a word."""
        stream = self._stream
        self._stream = None
        if stream is not None:
            try:
                stream.close()
            except OSError:
                pass

    def _fail(self, reason, text):
        self.close()
        raise MqttError(reason, text)

    def _write(self, data):
        view = memoryview(data)
        try:
            while len(view):
                n = self._stream.write(view)
                if not n:
                    raise OSError(110)
                view = view[n:]
        except OSError as error:
            self._fail(SILENT, "write: " + repr(error))
        self._last_ms = self._clock.ticks_ms()

    def _read(self, n):
        data = b""
        while len(data) < n:
            try:
                part = self._stream.read(n - len(data))
            except OSError as error:
                self._fail(SILENT, "read: " + repr(error))
            if not part:
                self._fail(SILENT, "the broker closed the connection")
            data += part
        return data

    def _read_packet(self):
        """Return (first byte, body)."""
        first = self._read(1)[0]
        n = 0
        for shift in (0, 7, 14, 21):
            byte = self._read(1)[0]
            n |= (byte & 127) << shift
            if byte < 128:
                break
        else:
            self._fail(SILENT, "remaining length of more than four bytes")
        if n > MAX_PACKET:
            self._fail(SILENT, "a packet of " + str(n) + " bytes")
        return first, self._read(n)
