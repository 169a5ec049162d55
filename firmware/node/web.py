"""A small web server for one visitor at a time, served while the node sleeps: see node.desk.

    GET /            the page of the node: what is wrong, what it measures; works on a phone, with no cloud
    GET /wifi        the form for Wi-Fi; POST /wifi: try it, keep it when it works
    GET /api/status  JSON; GET /api/records?from=N&n=M  JSON, up to 100 records from a number on
    GET /metrics     OpenMetrics 1.0

Nothing here shows a secret or the DevEUI's whole. The form is only taken where set-up is open (`may_set_up`),
and from the page itself: a page elsewhere that posts to the node in the visitor's browser is refused by its
Origin.
"""

from wire._compat import const

_LINE_MOST = const(1024)
_LINES_MOST = const(40)
_BODY_MOST = const(512)
_REQUEST_S = const(3)
_PIECE = const(512)

_TYPES = {"html": "text/html", "json": "application/json"}


class Request:
    """One request: method, path, query and form as dicts, headers in lower case."""

    def __init__(self, method, target, headers, body):
        self.method = method
        path, _, query = target.partition("?")
        self.path = path
        self.query = parse_form(query)
        self.headers = headers
        self.form = parse_form(body)


def _unquote(text):
    out = bytearray()
    i = 0
    while i < len(text):
        c = text[i]
        if c == "%" and i + 2 < len(text):
            try:
                out.append(int(text[i + 1 : i + 3], 16))
                i += 3
                continue
            except ValueError:
                pass
        out += b" " if c == "+" else c.encode()
        i += 1
    try:
        return bytes(out).decode()
    except ValueError:
        return ""


def parse_form(text):
    """Return the fields of a query or of application/x-www-form-urlencoded; the last of a name counts."""
    found = {}
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        if equals:
            found[_unquote(name)] = _unquote(value)
    return found


def escape(text):
    """Return text as it may stand in HTML."""
    for plain, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(plain, safe)
    return text


class Web:
    """socket: MicroPython's module. answer(request) -> (status, type, pieces of text, more header lines)."""

    def __init__(self, socket, answer, port=80):
        self._socket = socket
        self._answer = answer
        self._port = port
        self._server = None
        self.gone = False

    def open(self):
        """Listen; OSError when the network is not there."""
        server = self._socket.socket()
        server.setsockopt(self._socket.SOL_SOCKET, self._socket.SO_REUSEADDR, 1)
        server.bind(("", self._port))
        server.listen(2)
        self._server = server

    def close(self):
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def poll(self):
        """Serve one visitor, if there is one; tell whether there was."""
        return self.wait(0)

    def wait(self, wait_ms):
        """Serve one visitor who comes within wait_ms; tell whether there was one."""
        if self._server is None:
            return False
        try:
            self._server.settimeout(wait_ms / 1000)
            connection = self._server.accept()[0]
        except OSError:
            return False
        try:
            connection.settimeout(_REQUEST_S)
            self._serve(connection)
        except (OSError, ValueError):
            pass  # who went away, or spoke something else
        finally:
            try:
                connection.close()
            except OSError:
                pass
        return True

    def _serve(self, connection):
        request = _read_request(connection)
        if request is None:
            _send(connection, 400, "text", ["bad request\n"], ())
            return
        status, kind, pieces, more = self._answer(request)
        _send(connection, status, kind, pieces, more)


def _read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(_LINE_MOST)
        if not part or len(data) > 4 * _LINE_MOST:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    try:
        lines = head.decode().split("\r\n")
    except ValueError:
        return None
    first = lines[0].split(" ")
    if len(first) != 3 or not first[2].startswith("HTTP/1") or len(lines) > _LINES_MOST:
        return None
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    try:
        length = int(headers.get("content-length", "0"))
    except ValueError:
        return None
    if not 0 <= length <= _BODY_MOST:
        return None
    while len(body) < length:
        part = connection.recv(length - len(body))
        if not part:
            return None
        body += part
    try:
        return Request(first[0], first[1], headers, body[:length].decode())
    except ValueError:
        return None


def _send(connection, status, kind, pieces, more):
    kind = _TYPES.get(kind, kind)
    if "/" not in kind:
        kind = "text/plain"
    head = "HTTP/1.0 " + str(status) + " -\r\nContent-Type: " + kind
    if "charset" not in kind:
        head += "; charset=utf-8"
    head += "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
    for line in more:
        head += line + "\r\n"
    connection.sendall(head.encode() + b"\r\n")
    for piece in pieces:
        raw = piece.encode()
        for at in range(0, len(raw), _PIECE):
            connection.sendall(raw[at : at + _PIECE])
