"""Why a server cannot be reached though there is Wi-Fi: no name server, an unknown name, or a login page."""

from . import dns

NAME_NOT_FOUND, CAPTIVE_PORTAL, DNS_SILENT = 7, 24, 25  # wire.status.NETWORK_FAILURES
# RFC 6761, 6.4: nobody may know a name under .invalid. Who does, answers to everything: a login page.
_NOBODY = "meetnet.invalid"
_LINE_MOST = 256


def why(socket, server, host, reason):
    """Return a better reason than `reason`, or that. server: the name server. host: the gateway."""
    if not server:
        return reason
    found = dns.ask(socket, server, _NOBODY)
    if found == dns.KNOWN or _is_redirected(socket, host):
        return CAPTIVE_PORTAL
    if reason == NAME_NOT_FOUND and found == dns.SILENT:
        return DNS_SILENT
    return reason


def _is_redirected(socket, host):
    """Tell whether somebody answers for the gateway's port 80 with the way to another place."""
    try:
        address = socket.getaddrinfo(host, 80)[0][-1]
        sock = socket.socket()
    except OSError:
        return False
    try:
        sock.settimeout(4)
        sock.connect(address)
        sock.write(("GET /generate_204 HTTP/1.0\r\nHost: " + host + "\r\n\r\n").encode())
        head = b""
        while len(head) < 1024:
            part = sock.read(min(_LINE_MOST, 1024 - len(head)))
            if not part:
                break
            head += part
    except OSError:
        return False
    finally:
        sock.close()
    lines = head.split(b"\r\n")
    status = lines[0].split(b" ")
    if len(status) < 2:
        return False
    if status[1] == b"511":  # RFC 6585, 6: network authentication required
        return True
    if status[1] not in (b"301", b"302", b"303", b"307", b"308"):
        return False
    for line in lines[1:]:
        if line.lower().startswith(b"location:"):
            return host.encode() not in line
    return False
