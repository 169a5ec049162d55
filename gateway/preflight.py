"""What only shows when settings are held against one another and against the disk: all of it, before a start.

A row of gateway.settings says what a value may be. Here: files that a setting names, settings that need each
other, two listeners at one port. `meetnet config check` prints what is found; a start refuses the first of
FATAL, and logs the rest.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from gateway.config import Config
from gateway.errors import ConfigError, GatewayError
from gateway.tls import SECTIONS, expiry_of, listener_certificates, tls_files

LISTENERS = {"semtech_udp": "udp", "basics_station": "tcp", "broker": "tcp", "push": "tcp", "web": "tcp"}
CLIENTS = ("chirpstack", "ttn", "mqtt")  # brokers of others that we take uplinks from
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def faults(config: Config) -> list[ConfigError]:
    """Return everything that is wrong, in the order of a start; each names its setting and the remedy."""
    found: list[ConfigError] = []
    for check in (*FATAL, *DOUBTS):
        found += _of(check, config)
    return list({str(fault): fault for fault in found}.values())


def doubts(config: Config) -> list[ConfigError]:
    """Return what a gateway starts with, though something that was asked for will not work."""
    return [fault for check in DOUBTS for fault in _of(check, config)]


def check_oidc(config: Config) -> None:
    """Raise ConfigError unless an identity provider is off or has what it needs."""
    if not config.text("oidc.issuer"):
        return
    if not config.text("web.url"):
        raise ConfigError("web.url", "the identity provider sends people back to it: give our address")
    if not config.text("oidc.client_id"):
        raise ConfigError("oidc.client_id", "is needed with oidc.issuer: the provider hands it out")
    config.secret("oidc.client_secret_file")


def check_time_zone(config: Config) -> None:
    """Raise ConfigError when the zone of people's times is not known on this machine."""
    name = config.text("web.time_zone")
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ConfigError(
            "web.time_zone", f"{name!r} is not known here: name one like Europe/Brussels, or install tzdata"
        ) from None


def _publishers(config: Config) -> Iterator[ConfigError]:
    from gateway.outlets import outlets

    for name, table in config.publish.items():
        try:
            outlets(Config(publish={name: table}, base=config.base))
        except ConfigError as error:
            yield error


def _retention(config: Config) -> None:
    from gateway.retention import rules

    rules(config)


def _page(config: Config) -> None:
    from gateway.web.settings import page_settings

    if config.flag("web.enabled"):
        page_settings(config)


def _networks(config: Config) -> Iterator[ConfigError]:
    from gateway.networks import check_ttn, lns_settings
    from gateway.ways import check_serial

    for check in (lns_settings, check_ttn, check_serial):
        try:
            check(config)
        except ConfigError as error:
            yield error


def _certificates(config: Config) -> Iterator[ConfigError]:
    for section in SECTIONS:
        if config.flag(f"{section}.enabled"):
            try:
                tls_files(config, section)
            except ConfigError as error:
                yield error


def _secrets(config: Config) -> Iterator[ConfigError]:
    keys = [f"{section}.password_file" for section in CLIENTS if config.flag(f"{section}.enabled")]
    keys += ["mail.password_file"] if config.text("mail.host") else []
    keys += ["push.webhook_token_file"] if config.flag("push.enabled") else []
    keys += ["basics_station.token_file"] if config.flag("basics_station.enabled") else []
    for key in keys:
        try:
            config.secret(key)
        except ConfigError as error:
            yield error


def _ports(config: Config) -> Iterator[ConfigError]:
    taken: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for section, kind in LISTENERS.items():
        port = config.whole(f"{section}.port")
        if not config.flag(f"{section}.enabled") or not port:
            continue
        host = config.text(f"{section}.host")
        for other, its_host in taken.get((kind, port), ()):
            if host == its_host or host in _EVERYWHERE or its_host in _EVERYWHERE:
                yield ConfigError(f"{section}.port", f"{port} is that of {other}.port, too: choose another")
        taken.setdefault((kind, port), []).append((section, host))


def _postgres(config: Config) -> None:
    url = config.text("data.postgres")
    if url and "=" not in url.split("?")[0] and urlsplit(url).scheme not in ("postgresql", "postgres"):
        raise ConfigError("data.postgres", "must be an address like postgresql://meetnet@db/meetnet")
    if url and importlib.util.find_spec("psycopg") is None:
        raise ConfigError("data.postgres", "needs psycopg: pip install 'meetnet[postgres]'")


def _own_broker(config: Config) -> Iterator[ConfigError]:
    """A client of the port at which we listen ourselves hears nothing of the broker that was meant."""
    ours = config.whole("broker.port")
    for section in CLIENTS:
        host = config.text(f"{section}.host")
        is_here = host in ("127.0.0.1", "localhost", "::1")
        if not config.flag(f"{section}.enabled") or not config.flag("broker.enabled") or not is_here:
            continue
        if config.whole(f"{section}.port") == ours:
            yield ConfigError(
                f"{section}.port",
                f"{ours} on this machine is our own broker's: set broker.port to another, or "
                "broker.enabled to false",
            )


def _mail(config: Config) -> Iterator[ConfigError]:
    host, sender = config.text("mail.host"), config.text("mail.sender")
    if host and not _ADDRESS.fullmatch(sender):
        yield ConfigError("mail.sender", f"{sender!r} is no mail address: without one no mail is sent")
    if sender and not host:
        yield ConfigError("mail.host", "is empty: name the server that takes mail, or no mail is sent")
    if config.text("mail.username") and not config.text("mail.password_file"):
        yield ConfigError("mail.password_file", "is empty: a user needs a password")
    for to in config.texts("alerts.mail_to"):
        if not _ADDRESS.fullmatch(to):
            yield ConfigError("alerts.mail_to", f"{to!r} is no mail address: write it like an@example.org")
    if config.texts("alerts.mail_to") and not host and not sender:
        yield ConfigError("mail.host", "is empty: alerts.mail_to hears nothing before a server is named")


def _addresses(config: Config) -> Iterator[ConfigError]:
    examples = {
        "alerts.webhook_url": "https://hooks.example.org/meetnet",
        "otel.endpoint": "http://collector:4318",
        "oidc.issuer": "https://login.example.org/realms/city",
    }
    for key, example in examples.items():
        value = config.text(key)
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.netloc):
            yield ConfigError(key, f"must be an address like {example}, or empty")


def _files(config: Config) -> Iterator[ConfigError]:
    for key in (
        "web.outlines",
        "web.flasher",
        *(f"{section}.tls_ca" for section in CLIENTS),
        "broker.tls_ca",
    ):
        path = config.path(key)
        if path is not None and not path.exists():
            yield ConfigError(key, f"there is no {path}: correct the path")


def _expiry(config: Config) -> Iterator[ConfigError]:
    for section, path in listener_certificates(config):
        ends = expiry_of(path)
        if ends is not None and ends <= datetime.now(UTC):
            key = f"{section}.tls_certificate"
            yield ConfigError(
                key, f"{path} ended on {ends:%Y-%m-%d}: nobody who verifies it comes in; renew it"
            )


Check = Callable[[Config], "Iterator[ConfigError] | None"]
# A gateway does not start with these: its parts raise the same, one after the other.
FATAL: tuple[Check, ...] = (
    _retention, _publishers, check_time_zone, _certificates, _page, check_oidc, _networks,
    _secrets, _ports, _postgres,
)  # fmt: skip
DOUBTS: tuple[Check, ...] = (_own_broker, _mail, _addresses, _files, _expiry)


def _of(check: Check, config: Config) -> list[ConfigError]:
    try:
        return list(check(config) or ())
    except ConfigError as error:
        return [error]
    except GatewayError as error:
        return [ConfigError("file", str(error))]
