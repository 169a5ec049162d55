"""What runs on which LoRaWAN FPort, and on which MQTT topic for nodes on Wi-Fi."""

from ._compat import const

RECORDS = const(1)  # node -> gateway: records in a codec frame
STATUS = const(2)  # node -> gateway: versions, reset cause, battery, configuration hash
COMMANDS = const(3)  # both ways: get and set
FRAGMENTS = const(201)  # both ways: LoRaWAN fragmentation, TS004


def mqtt_topic(dev_eui, f_port):
    """Return the topic of a Wi-Fi node's frames; dev_eui is 16 lower-case hex digits."""
    return "meetnet/v1/" + dev_eui + "/" + str(f_port)


def mqtt_command_topic(dev_eui, f_port):
    """Return the topic on which a Wi-Fi node is spoken to; with "+" for f_port what it subscribes to."""
    return "meetnet/v1/" + dev_eui + "/down/" + str(f_port)


def mqtt_command_port(topic):
    """Return the FPort of such a topic, 0 for any other."""
    head, _, port = topic.rpartition("/")
    return int(port) if head.endswith("/down") and port.isdigit() and len(port) < 4 else 0
