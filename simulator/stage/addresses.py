"""Where somebody listens: host:port as text, ports of a house, a port where nobody is."""

from __future__ import annotations

import socket

Address = tuple[str, int]


def address(text: str) -> Address | None:
    """Return (host, port) of host:port, None for an empty text."""
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host else None


def local(ports: dict[str, int], name: str) -> Address | None:
    """Return the address of a named port on loopback, None where there is no such port."""
    return ("127.0.0.1", ports[name]) if name in ports else None


def nobodys_port() -> int:
    """Return a port of loopback at which nobody listens now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
