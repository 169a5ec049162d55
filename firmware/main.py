"""Start the node; whatever happens, start again. Everything else is in node/start.py.

An application in the flash file system goes before the one that is frozen into the image. When it does not
import, or has ended four lives in a row within ten minutes, the frozen one runs instead. This file is
frozen too, so nothing in the file system can break it.
"""

import os
import sys
import time

import machine

_SHORT_LIVES = 4  # as node.recovery.SAFE_MODE_AFTER; this file must not import what may be broken
_APPLICATION = ("node", "wire", "radio", "drivers", "kernels", "boards")


def _short_lives():
    """Return how many lives in a row were short; see node/recovery.py."""
    try:
        import esp32

        buf = bytearray(8)
        esp32.NVS("meetnet").get_blob("life", buf)
        cut = machine.reset_cause() in (machine.PWRON_RESET, machine.DEEPSLEEP_RESET)
        return 0 if cut else buf[2] + buf[3]  # the life before this one ended early: it is not counted yet
    except Exception:  # no NVS, no record of it: then nothing is known against the application
        return 0


def fall_back():
    """Leave the flash's application out of the search path; False when there is none, or it is out."""
    if "" not in sys.path:
        return False
    try:
        os.stat("node")
    except OSError:
        return False
    sys.path.remove("")
    for name in list(sys.modules):
        if name.split(".")[0] in _APPLICATION:
            del sys.modules[name]
    return True


def _live():
    """Run the node. It only comes back when an exception came that it could not deal with itself."""
    try:
        from node import start

        start.run()
    except Exception as error:  # a file that does not import, memory that does not suffice
        sys.print_exception(error)


def main():
    """Run the best application there is."""
    if _short_lives() >= _SHORT_LIVES:
        fall_back()
    _live()
    if fall_back():
        _live()
    time.sleep_ms(60000)  # time for Ctrl-C and a repair at the console
    machine.reset()


if __name__ in ("__main__", "main"):
    main()
