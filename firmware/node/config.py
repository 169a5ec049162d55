"""The node's configuration: one table of keys with kind, default, range and remedy.

`load(text)` never raises: it returns a configuration that can run and the list of what was wrong.
A key that is wrong takes its default; the node says so in its status and goes on measuring.
"""

import hashlib
import json

SCHEMA = 1
KINDS = ("air", "noise", "bin", "garden")

# (key, kind, default, low or choices, high, remedy). Dots lead into nested objects.
# kind: int (low..high), choice (of low), hex (low digits), text (low..high characters).
# Keys of kind secret are text that no log, repr or hash shows.
KEYS = (
    ("kind", "choice", "air", KINDS, None, "name what the node measures"),
    ("board", "text", "", 0, 32, "give the name of a file in boards/ without .py"),
    ("interval_s", "int", 300, 10, 86400, "seconds from record to record"),
    ("radio", "choice", "none", ("lorawan", "mqtt", "wifi", "cable", "none"), None, "name the way out"),
    ("dev_eui", "hex", "0000000000000000", 16, None, "copy the 16 hex digits of the label"),
    ("join_eui", "hex", "0000000000000000", 16, None, "copy the 16 hex digits given at registration"),
    ("app_key", "secret_hex", "", 32, None, "copy the 32 hex digits given at registration"),
    ("wifi.ssid", "text", "", 0, 32, "the name of a 2.4 GHz network"),
    ("wifi.password", "secret", "", 0, 63, "8 to 63 characters; leave out for an open network"),
    ("mqtt.host", "text", "", 0, 253, "the name or address of the gateway"),
    ("mqtt.port", "int", 1883, 1, 65535, "1883, or 8883 with tls"),
    ("mqtt.user", "text", "", 0, 64, "as registered; by default the DevEUI"),
    ("mqtt.password", "secret", "", 0, 64, "as given at registration"),
    ("mqtt.tls", "choice", False, (False, True), None, "true when the gateway listens with TLS"),
    ("mqtt.ca", "text", "", 0, 2500, "base64 of the DER certificate of who signed the gateway's"),
    ("page", "choice", True, (True, False), None, "false and a Wi-Fi node shows no page of its own"),
    ("language", "choice", "nl", ("nl", "fr", "en"), None, "of the node's own page"),
    ("ntp", "text", "pool.ntp.org", 0, 253, "the name or address of a time server"),
    ("sleep", "choice", "light", ("light", "none"), None, "none keeps the console awake"),
    ("battery_low_mv", "int", 0, 0, 20000, "below it the radio stays off; 0 on mains"),
    ("confirm_every", "int", 16, 1, 255, "ask for a confirmation every so many uplinks"),
    ("status_s", "int", 86400, 600, 604800, "seconds from status to status"),
    ("time_s", "int", 86400, 600, 604800, "seconds from time request to time request"),
    ("drift_ok_s", "int", 172800, 3600, 2592000, "how long a time answer counts as good"),
    ("codec", "int", 2, 1, 2, "2 packs about three times as many records in a frame, for 30 KB of memory"),
    (
        "batch",
        "int",
        1,
        1,
        48,
        "records that share a frame, where so many fit: 12 of five minutes are an hour",
    ),
    ("parity_percent", "int", 0, 0, 150, "bytes that bring lost frames back: 50 up to 20 % loss, 64 to 30 %"),
    ("log_kib", "int", 256, 16, 4096, "flash for records that wait"),
    ("watch_s", "int", 60, 0, 3600, "seconds from glance to glance of bin and garden nodes; 0 for none"),
    ("battery_days", "int", 0, 0, 7300, "days that the battery must last: samples less where it would not"),
    ("bin_depth_mm", "int", 0, 0, 10000, "empty distance minus full distance; 0: not known"),
    ("bin_table", "text", "", 0, 200, "pairs mm:litres, as 1350:0,800:60,250:120"),
    ("noise_s", "int", 0, 0, 3600, "how long a noise node listens for a record; 0: all the time"),
    ("noise_seconds_kib", "int", 256, 0, 4096, "flash for the levels of seconds; 0: memory alone"),
    ("update_key", "hex", "", 128, None, "copy the line that `meetnet update keygen` printed"),
    ("updates", "choice", True, (True, False), None, "false and nobody changes this node from afar"),
    ("certification", "choice", False, (False, True), None, "true in a LoRaWAN test house only"),
    ("noise_offset_centidb", "int", 0, -2000, 2000, "microphone calibration, hundredths of a decibel"),
    ("noise_sensitivity_centidb", "int", -2600, -6000, 0, "of the microphone at 94 dB, re full scale"),
    (
        "noise_self_centidb",
        "int",
        2900,
        0,
        6000,
        "A-weighted noise of the microphone itself; 0 to leave it in",
    ),
    ("noise_response", "choice", "", ("", "ics43434"), None, "the microphone whose response is undone"),
    (
        "noise_levels",
        "choice",
        "all",
        ("all", "basic"),
        None,
        "basic leaves out LA1, LA95, LA99, LASmax, LZeq",
    ),
    ("noise_octaves", "choice", False, (False, True), None, "true for a record of third octaves beside each"),
    ("noise_seconds", "choice", False, (False, True), None, "true for a record of each second; Wi-Fi only"),
)


class Config:
    """Values by key: config["interval_s"], config["wifi.ssid"]. Its repr shows no value."""

    def __init__(self, values):
        self._values = values

    def __getitem__(self, key):
        return self._values[key]

    def __repr__(self):
        return "Config()"

    def hash4(self):
        """Return 4 bytes that differ when a value that is no secret differs."""
        lines = [
            key + "=" + str(self._values[key])
            for key, kind, _d, _l, _h, _r in KEYS
            if not kind.startswith("secret")
        ]
        return hashlib.sha256("\n".join(lines).encode()).digest()[:4]


def _lookup(data, key):
    """Return (found, value) of a dotted key."""
    for part in key.split("."):
        if not isinstance(data, dict) or part not in data:
            return False, None
        data = data[part]
    return True, data


def _is_hex(value, digits):
    return (
        isinstance(value, str) and len(value) == digits and all(c in "0123456789abcdefABCDEF" for c in value)
    )


def _fault(kind, value, low, high):
    """Return what is wrong with a value, or None. The value itself is not told: it may be a secret."""
    if kind == "int":
        if not isinstance(value, int) or isinstance(value, bool):
            return "is no whole number"
        return None if low <= value <= high else "is outside " + str(low) + ".." + str(high)
    if kind == "choice":
        good = any(type(value) is type(choice) and value == choice for choice in low)
        return None if good else "is none of " + ", ".join([str(choice) for choice in low])
    if kind in ("hex", "secret_hex"):
        return None if _is_hex(value, low) else "is not " + str(low) + " hexadecimal digits"
    if not isinstance(value, str):
        return "is no text"
    return None if low <= len(value) <= high else "has not " + str(low) + ".." + str(high) + " characters"


def fault(key, value):
    """Return what is wrong with a value for a key of KEYS, or None."""
    for name, kind, _default, low, high, _remedy in KEYS:
        if name == key:
            return _fault(kind, value, low, high)
    return "is no key"


def is_secret(key):
    """Tell whether a key's value is shown nowhere."""
    return any(row[0] == key and row[1].startswith("secret") for row in KEYS)


def is_object(text):
    """Tell whether a text is a JSON object at all."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, TypeError):
        return False


def load(text):
    """Return (Config, errors): errors is a list of sentences "key what: remedy", empty when all is well."""
    errors = []
    data = {}
    try:
        data = json.loads(text)
        if not isinstance(data, dict):
            errors.append("config.json is no JSON object: write it anew with the provisioning tool")
            data = {}
        elif data.get("schema") != SCHEMA:
            errors.append("schema is not " + str(SCHEMA) + ": write config.json anew for this firmware")
    except (ValueError, TypeError):
        errors.append("config.json is no JSON: write it anew with the provisioning tool")
    values = {}
    for key, kind, default, low, high, remedy in KEYS:
        found, value = _lookup(data, key)
        wrong = _fault(kind, value, low, high) if found else None
        if wrong:
            errors.append(key + " " + wrong + ": " + remedy)
        if kind == "hex" and found and not wrong:
            value = value.lower()
        values[key] = value if found and not wrong else default
    if values["noise_seconds"] and values["radio"] == "lorawan":
        errors.append("noise_seconds needs Wi-Fi: ask for the seconds of an event, or use radio mqtt")
        values["noise_seconds"] = False
    _need(values, errors)
    return Config(values), errors


def _need(values, errors):
    """What the chosen radio cannot do without; where it is missing, the node keeps its records."""
    before = len(errors)
    mqtt = ("wifi.ssid", "mqtt.host", "mqtt.password")
    needs = {"lorawan": ("app_key",), "mqtt": mqtt, "wifi": ("wifi.ssid",)}
    if values["radio"] == "mqtt" and values["mqtt.tls"] and not values["mqtt.ca"]:
        errors.append("mqtt.ca is missing: without it anybody could pose as the gateway")
    for key in needs.get(values["radio"], ()):
        if not values[key]:
            remedy = next(row[5] for row in KEYS if row[0] == key)
            errors.append(key + " is missing: " + remedy)
    if values["radio"] != "none" and values["dev_eui"] == "0" * 16:
        errors.append("dev_eui is missing: copy the 16 hex digits of the label")
    if len(errors) > before:
        values["radio"] = "none"
    if not values["mqtt.user"]:
        values["mqtt.user"] = values["dev_eui"]
