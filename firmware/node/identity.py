"""Who a node is, asked and told over the serial port: loaded when somebody asks, for it takes memory."""

from wire import improv

from . import config, config_file


class Identity:
    """Answers GET_IDENTITY and SET_IDENTITY of wire/improv.py. desk: node.desk.Desk."""

    def __init__(self, desk):
        self._desk = desk
        self._pieces = []

    def answer(self, command, strings):
        """Return the packet that answers a call."""
        if command == improv.GET_IDENTITY:
            return improv.result_packet(command, known())
        try:
            return improv.result_packet(command, (self._take(strings),))
        except (ValueError, IndexError):
            self._pieces = []
            return improv.error_packet(improv.INVALID_PACKET)
        except OSError:  # the flash refuses it
            return improv.error_packet(improv.UNKNOWN_ERROR)

    def _take(self, strings):
        """Take a piece of the configuration of a blank board; with the last one the board is somebody."""
        number, count, piece = int(strings[0]), int(strings[1]), strings[2]
        if not 0 <= number < count <= improv.PIECES_MOST or len(strings) != 3:
            raise ValueError
        if number == 0:
            self._pieces = []
        if number != len(self._pieces):
            raise ValueError
        self._pieces.append(piece)
        if number < count - 1:
            return ""
        dev_eui = be("".join(self._pieces))
        self._desk.start_anew()
        return dev_eui


def known():
    """Return (DevEUI, MAC) as hex digits; the DevEUI of a blank board is "", a MAC that nobody tells too."""
    dev_eui = config_file.read().get("dev_eui", "")
    mac = ""
    try:
        import machine

        mac = machine.unique_id().hex()
    except (ImportError, AttributeError):
        pass
    return (dev_eui if isinstance(dev_eui, str) and dev_eui.strip("0") else "", mac)


def be(text):
    """Keep the configuration of a blank board; return its DevEUI.

    ValueError when this board is somebody already, or a node would not run with it as it is.
    """
    if known()[0]:
        raise ValueError
    loaded, errors = config.load(text)
    if errors or not loaded["dev_eui"].strip("0"):
        raise ValueError
    config_file.write(text)
    return loaded["dev_eui"]
