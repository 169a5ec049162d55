"""What runs on which LoRaWAN FPort, and on which MQTT topic for nodes on Wi-Fi."""

from ._compat import const

RECORDS = const(1)  # node -> gateway: records in a codec frame
STATUS = const(2)  # node -> gateway: versions, reset cause, battery, configuration hash
COMMANDS = const(3)  # both ways: get and set


def mqtt_topic(dev_eui, f_port):
    """Return the topic of a Wi-Fi node's frames; dev_eui is 16 lower-case hex digits."""
    return "meetnet/v1/" + dev_eui + "/" + str(f_port)
