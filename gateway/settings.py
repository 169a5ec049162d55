"""Every setting of the gateway, one row each: key, kind, default, what is allowed, what it does.

The README's table and `meetnet config check` are made from these rows.
"""

from __future__ import annotations

from dataclasses import dataclass

TEXT, WHOLE, NUMBER, FLAG, PATH, LIST, TABLE = "text", "whole", "number", "flag", "path", "list", "table"
Value = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. low and high bound numbers and the length of texts; choices are all that is allowed."""

    key: str
    kind: str
    default: Value
    text: str
    low: float = 0
    high: float = 255
    choices: tuple[str, ...] = ()
    unit: str = ""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return " or ".join(f'"{choice}"' for choice in self.choices)
        match self.kind:
            case "flag":
                return "true or false"
            case "whole" | "number":
                unit = f" {self.unit}" if self.unit else ""
                kind = "a whole number" if self.kind == WHOLE else "a number"
                return f"{kind}, {self.low:g} to {self.high:g}{unit}"
            case "list":
                return f"a list of at most {self.high:g} texts"
            case _:
                least = f"{self.low:g} to " if self.low else "at most "
                return f"a text of {least}{self.high:g} characters"


def _port(key: str, default: int, text: str) -> Setting:
    return Setting(key, WHOLE, default, text + "; 0 takes any free one", 0, 65535)


def _host(key: str, text: str) -> Setting:
    return Setting(key, TEXT, "127.0.0.1", text + '; "0.0.0.0" for the whole network', 1)


def _kept(name: str, days: str, text: str) -> Setting:
    """Return the setting of a class of gateway.retention."""
    return Setting(f"retention.{name}", TEXT, days, f"{text} Days, 0: for ever; changes by date.", 1, 200)


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "data.directory", PATH, "meetnet-data", "Where everything is kept, relative to this file.", 1, 4096
    ),
    Setting("data.segment_mib", WHOLE, 16, "Size of one file of the raw log.", 1, 1024, unit="MiB"),
    Setting("data.raw_days", WHOLE, 30, "How long raw frames are kept at most.", 1, 36500, unit="days"),
    Setting("data.raw_mib", WHOLE, 4096, "What raw frames may take on the disk.", 2, 1 << 24, unit="MiB"),
    Setting("data.seal_days", WHOLE, 8, "Observations older than this are packed.", 1, 36500, unit="days"),
    Setting(
        "data.postgres", TEXT, "", "postgresql://user@host/name for observations; empty: SQLite.", 0, 1000
    ),
    Setting(
        "data.registry", PATH, "", "Directory of the register where workers share one; empty: here.", 0, 4096
    ),
    Setting("data.worker", TEXT, "", "Name of this process where several store into one PostgreSQL.", 0, 40),
    Setting("semtech_udp.enabled", FLAG, True, "Listen for LoRaWAN gateways (packet forwarders)."),
    _host("semtech_udp.host", "Address to listen on"),
    _port("semtech_udp.port", 1700, "UDP port of the packet forwarder protocol"),
    Setting("semtech_udp.gateways", LIST, (), "EUIs of the gateways that may speak; empty: all.", 0, 1000),
    Setting("basics_station.enabled", FLAG, False, "Listen for LoRaWAN gateways that run Basics Station."),
    _host("basics_station.host", "Address to listen on"),
    _port("basics_station.port", 1887, "TCP port of its LNS protocol"),
    Setting(
        "basics_station.uri", TEXT, "", "What discovery answers behind a proxy: wss://name:port.", 0, 200
    ),
    Setting("basics_station.tls_certificate", PATH, "", "PEM chain of this server; empty: no TLS.", 0, 4096),
    Setting("basics_station.tls_key", PATH, "", "Its private key, mode 0600.", 0, 4096),
    Setting("basics_station.token_file", PATH, "", "File with the token of every tc.key.", 0, 4096),
    Setting("basics_station.gateways", LIST, (), "EUIs of the stations that may speak; empty: all.", 0, 1000),
    Setting(
        "basics_station.ping_s", NUMBER, 30.0, "A station that answers no ping is gone.", 1, 600, unit="s"
    ),
    Setting("lns.net_id", WHOLE, 0, "NetID; 0 and 1 are for private networks.", 0, 63),
    Setting(
        "lns.gathering_s", NUMBER, 0.2, "Wait for copies of a frame by other gateways.", 0, 0.8, unit="s"
    ),
    Setting(
        "lns.rx1_delay_s", WHOLE, 1, "RX1 delay told at the join; more suits slow backhaul.", 1, 15, unit="s"
    ),
    Setting("lns.rx1_dr_offset", WHOLE, 0, "RX1 is this many data rates slower than the uplink.", 0, 5),
    Setting("lns.rx2_dr", WHOLE, 0, "Data rate of RX2; The Things Stack uses 3.", 0, 5),
    Setting("lns.rx1_power_dbm", WHOLE, 14, "Power of answers in RX1, for a dipole.", 0, 14, unit="dBm"),
    Setting("lns.rx2_power_dbm", WHOLE, 27, "Power of answers in RX2, for a dipole.", 0, 27, unit="dBm"),
    Setting(
        "lns.extra_channels_hz",
        LIST,
        ("867100000", "867300000", "867500000", "867700000", "867900000"),
        "Uplink channels beside the three that every device has.",
        0,
        5,
    ),
    Setting("lns.adr_margin_db", NUMBER, 10.0, "ADR keeps this much above the floor.", 0, 30, unit="dB"),
    Setting("lns.confirmed_attempts", WHOLE, 3, "How often a confirmed downlink goes out at most.", 1, 15),
    Setting("lns.adr", FLAG, True, "Let the network choose data rate and power of the nodes."),
    Setting("chirpstack.enabled", FLAG, False, "Take uplinks from a ChirpStack v4."),
    Setting("chirpstack.host", TEXT, "127.0.0.1", "Address of its MQTT broker.", 1),
    Setting("chirpstack.port", WHOLE, 1883, "Its TCP port.", 1, 65535),
    Setting("chirpstack.tls", FLAG, False, "Speak TLS with it."),
    Setting(
        "chirpstack.tls_ca", PATH, "", "PEM file of certificates to trust; empty: the system's.", 0, 4096
    ),
    Setting(
        "chirpstack.client_id",
        TEXT,
        "meetnet-chirpstack",
        "Name of the session; it must never change.",
        1,
        64,
    ),
    Setting("chirpstack.username", TEXT, "", "User at the broker; empty: none.", 0),
    Setting("chirpstack.password_file", PATH, "", "File that holds the password, mode 0600.", 0, 4096),
    Setting(
        "chirpstack.in_flight", WHOLE, 1000, "Messages that may wait for the disk at one time.", 1, 65535
    ),
    Setting(
        "chirpstack.group",
        TEXT,
        "",
        "Share the messages with all that name this group; empty: take all.",
        0,
        64,
    ),
    Setting("chirpstack.application_id", TEXT, "", "Only this application; empty: all.", 0, 64),
    Setting("ttn.enabled", FLAG, False, "Take uplinks from The Things Stack v3."),
    Setting("ttn.host", TEXT, "eu1.cloud.thethings.network", "Address of its MQTT server.", 1),
    Setting("ttn.port", WHOLE, 8883, "Its TCP port.", 1, 65535),
    Setting("ttn.tls", FLAG, True, "Speak TLS with it."),
    Setting("ttn.tls_ca", PATH, "", "PEM file of certificates to trust; empty: the system's.", 0, 4096),
    Setting("ttn.client_id", TEXT, "meetnet-ttn", "Name of the session; it must never change.", 1, 64),
    Setting("ttn.username", TEXT, "", "application@tenant, as the console shows it.", 0),
    Setting("ttn.password_file", PATH, "", "File that holds an API key, mode 0600.", 0, 4096),
    Setting("ttn.in_flight", WHOLE, 1000, "Messages that may wait for the disk at one time.", 1, 65535),
    Setting("broker.enabled", FLAG, True, "Run the built-in MQTT broker for nodes on Wi-Fi."),
    _host("broker.host", "Address to listen on"),
    _port("broker.port", 1883, "TCP port of the built-in broker"),
    Setting("broker.tls_certificate", PATH, "", "PEM chain of the broker; empty: no TLS.", 0, 4096),
    Setting("broker.tls_key", PATH, "", "Its private key, mode 0600.", 0, 4096),
    Setting(
        "broker.tls_ca", PATH, "", "PEM of who signed it, for new nodes; empty: last of the chain.", 0, 4096
    ),
    Setting("broker.max_connections", WHOLE, 2000, "Connections at one time.", 1, 100000),
    Setting("mqtt.enabled", FLAG, False, "Take the nodes' messages from a broker of your own."),
    Setting("mqtt.host", TEXT, "127.0.0.1", "Address of that broker.", 1),
    Setting("mqtt.port", WHOLE, 1883, "Its TCP port.", 1, 65535),
    Setting("mqtt.tls", FLAG, False, "Speak TLS with it, verified by the system's certificates."),
    Setting("mqtt.client_id", TEXT, "meetnet", "Name of the session; it must never change.", 1, 64),
    Setting("mqtt.username", TEXT, "", "User at the broker; empty: none.", 0),
    Setting("mqtt.password_file", PATH, "", "File that holds the password, mode 0600.", 0, 4096),
    Setting("mqtt.in_flight", WHOLE, 1000, "Messages that may wait for the disk at one time.", 1, 65535),
    Setting(
        "mqtt.group", TEXT, "", "Share the messages with all that name this group; empty: take all.", 0, 64
    ),
    Setting("mqtt.tls_ca", PATH, "", "PEM file of certificates to trust; empty: the system's.", 0, 4096),
    Setting("push.enabled", FLAG, False, "Take what devices and network servers push over HTTP."),
    _host("push.host", "Address to listen on"),
    _port("push.port", 8090, "TCP port for what is pushed"),
    Setting("push.tls_certificate", PATH, "", "PEM chain of that server; empty: no TLS.", 0, 4096),
    Setting("push.tls_key", PATH, "", "Its private key, mode 0600.", 0, 4096),
    Setting("push.per_minute", WHOLE, 60, "Messages of one device that are taken in a minute.", 1, 100000),
    Setting(
        "push.webhook_token_file",
        PATH,
        "",
        "File with the token of the webhooks of TTS and ChirpStack.",
        0,
        4096,
    ),
    Setting("serial.enabled", FLAG, False, "Take what nodes on a cable say."),
    Setting(
        "serial.ports", LIST, (), "Devices of the ports, with * for several: /dev/serial/by-id/usb-*.", 0, 64
    ),
    Setting("serial.baudrate", WHOLE, 115200, "Speed of the lines.", 1200, 4000000, unit="Bd"),
    Setting(
        "updates.public_key", TEXT, "", "What `meetnet update keygen` printed; new nodes trust it.", 0, 128
    ),
    Setting(
        "otel.endpoint", TEXT, "", "OpenTelemetry collector, http://host:4318; empty: no traces.", 0, 500
    ),
    Setting("otel.sample_percent", NUMBER, 1.0, "How many uplinks are traced.", 0, 100, unit="%"),
    Setting("otel.service", TEXT, "meetnet-gateway", "Name of this gateway in the traces.", 1, 64),
    Setting("web.enabled", FLAG, True, "Serve the page, open data and the status."),
    _host("web.host", "Address to listen on"),
    _port("web.port", 8080, "TCP port of the page"),
    Setting("web.tls_certificate", PATH, "", "PEM chain of the web server; empty: no TLS.", 0, 4096),
    Setting("web.tls_key", PATH, "", "Its private key, mode 0600.", 0, 4096),
    Setting("web.url", TEXT, "", "Where people find the page, for links in mails: https://…", 0, 200),
    Setting("web.title", TEXT, "Meetnet", "Name of the network, in the heading.", 1, 80),
    Setting("web.owner", TEXT, "", "Who runs the network, for the register; empty: its title.", 0, 120),
    Setting("web.contact", TEXT, "", "Mail address or https page for questions and complaints.", 0, 200),
    Setting(
        "web.legal_basis", TEXT, "", "On what legal basis is measured, for the register of sensors.", 0, 300
    ),
    Setting("web.time_zone", TEXT, "Europe/Amsterdam", "Zone in which people read times.", 1, 64),
    Setting("web.refresh_s", WHOLE, 10, "How often an open page asks for new values.", 1, 3600, unit="s"),
    Setting("web.tiles_url", TEXT, "", "Address template of map tiles; empty: local outlines.", 0, 1000),
    Setting("web.tiles_attribution", TEXT, "", "Credit that the tiles' licence asks for.", 0, 500),
    Setting("web.flasher", PATH, "", "Folder that `meetnet flash web` prepared, for the flasher.", 0, 4096),
    Setting("web.outlines", PATH, "", "GeoJSON with lines of the neighbourhood.", 0, 4096),
    Setting("oidc.issuer", TEXT, "", "Identity provider at which staff signs in; empty: none.", 0, 300),
    Setting("oidc.client_id", TEXT, "", "What the provider calls this page.", 0, 200),
    Setting("oidc.client_secret_file", PATH, "", "File that holds the client's secret, mode 0600.", 0, 4096),
    Setting("oidc.name", TEXT, "", "What the button says, such as the city; empty: the host's name.", 0, 60),
    Setting("mail.host", TEXT, "", "Server that takes mail (sign-in links); empty: none is sent.", 0),
    Setting("mail.port", WHOLE, 587, "Its TCP port.", 1, 65535),
    Setting("mail.security", TEXT, "starttls", "How it is spoken to.", choices=("starttls", "tls", "none")),
    Setting("mail.username", TEXT, "", "User at that server; empty: none.", 0),
    Setting("mail.password_file", PATH, "", "File that holds the password, mode 0600.", 0, 4096),
    Setting("mail.sender", TEXT, "", "Address that mails come from.", 0),
    Setting("alerts.enabled", FLAG, True, "Find out why something is silent, and tell it."),
    Setting("alerts.mail_to", LIST, (), "Who is told of incidents by mail; empty: nobody.", 0, 20),
    Setting(
        "alerts.webhook_url", TEXT, "", "Address that is told of incidents as JSON; empty: none.", 0, 500
    ),
    Setting("alerts.language", TEXT, "nl", "Language of what is told.", choices=("nl", "fr", "en")),
    Setting("alerts.quiet_from_h", WHOLE, 22, "From this hour on only what is urgent is told.", 0, 23),
    Setting("alerts.quiet_to_h", WHOLE, 7, "Until this hour; the same as quiet_from_h: never quiet.", 0, 23),
    _kept("noise_seconds", "31", "Levels of single seconds; minutes, hours and days stay."),
    _kept("observations", "0", "Single observations; their hours and days stay."),
    _kept("rollups", "0", "What minutes, hours and days amount to."),
    _kept("visits", "1095", "Reports and photos of visits, and reports of drivers."),
    _kept("incidents", "730", "Incidents that are over."),
    _kept("audit", "730", "Who did what."),
    _kept("sign_in", "30", "Sign-in links that were mailed, and unused sessions."),
    _kept("accounts", "730", "Accounts without site and role that nobody used."),
    Setting("alerts.remind_h", WHOLE, 24, "What goes on is told again; 0: never.", 0, 720, unit="h"),
)
BY_KEY: dict[str, Setting] = {setting.key: setting for setting in SETTINGS}


def markdown() -> str:
    """Return the table of settings as the README shows it."""
    lines = ["| key | default | allowed | what it does |", "|---|---|---|---|"]
    for setting in SETTINGS:
        lines.append(
            f"| `{setting.key}` | `{toml_value(setting.default)}` | {setting.allowed} | {setting.text} |"
        )
    return "\n".join(lines)


def toml_value(value: Value) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return (
        f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    )
