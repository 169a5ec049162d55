"""Start the node; whatever happens, start again. Everything else is in node/start.py.

An application in the flash file system goes before the one that is frozen into the image. When it does not
import, or has ended four lives in a row within ten minutes, the frozen one runs instead. An application on
trial
(node/slots.py) that does not import, crashes, hangs, or loses power three times before the network has
heard it,
gives way to the one before at once. This file is frozen too, so nothing in the file system can break it.
"""

import os
import sys
import time

import machine

_SHORT_LIVES = 4  # as node.recovery.SAFE_MODE_AFTER; this file must not import what may be broken
_APPLICATION = ("node", "wire", "radio", "drivers", "kernels", "boards")
_FOLDERS = ("", "app_a", "app_b")  # as node.slots.FOLDERS, MARK, and the phases and reasons there
_MARK = "/whole"
_TRIAL, _BACK = 1, 2
_DAMAGED, _CRASHED, _POWER = 6, 10, 12
_POWER_STARTS = 3


def _power_came():
    return machine.reset_cause() in (machine.PWRON_RESET, machine.DEEPSLEEP_RESET)


def _short_lives():
    """Return how many lives in a row were short; see node/recovery.py."""
    try:
        import esp32

        buf = bytearray(8)
        esp32.NVS("meetnet").get_blob("life", buf)
        return (
            0 if _power_came() else buf[2] + buf[3]
        )  # the life before this one ended early: not counted yet
    except Exception:  # no NVS, no record of it: then nothing is known against the application
        return 0


class _Record:
    """The record of node/slots.py, as far as it is needed here."""

    def __init__(self):
        import esp32

        self._nvs = esp32.NVS("meetnet")
        self.data = bytearray(32)
        try:
            n = self._nvs.get_blob("app", self.data)
        except OSError:
            n = 0
        if n != 17 or self.data[0] > 2 or self.data[2] > 2:
            n = 0
        self.data = self.data[:17] if n else bytearray(17)

    @property
    def on_trial(self):
        return self.data[1] == _TRIAL

    def save(self):
        self._nvs.set_blob("app", self.data)
        self._nvs.commit()

    def back(self, reason):
        """What ran before runs again."""
        self.data[0] = self.data[2]
        self.data[1] = _BACK
        self.data[5] = reason
        self.save()

    def count_start(self):
        """Count a start on trial; go back where the one before ended without having been heard."""
        if not self.data[3]:
            self.data[3] = 1
        elif not _power_came():
            self.back(_CRASHED)
            return
        elif self.data[4] >= _POWER_STARTS:
            self.back(_POWER)
            return
        else:
            self.data[4] += 1
        self.save()


def _choose():
    """Put the slot that is to run first in the search path; return the record, None where there is no NVS."""
    try:
        record = _Record()
        if record.on_trial and record.data[16] == 1:  # of kind application: others are watched by the node
            record.count_start()
        folder = _FOLDERS[record.data[0]]
        if folder:
            try:
                os.stat(folder + _MARK)
                sys.path.insert(0, folder)
            except OSError:  # the file system was made anew, or somebody tidied up
                if record.on_trial:
                    record.back(_DAMAGED)
        return record
    except Exception as error:
        sys.print_exception(error)
        return None


def fall_back():
    """Leave the flash's applications out of the search path; False when there is none, or it is out."""
    found = False
    for folder in ("", "app_a", "app_b"):
        if folder in sys.path:
            try:
                os.stat(folder + "/node" if folder else "node")
                found = True
            except OSError:
                if not folder:
                    continue  # nothing there: config.json and files of people may still be
            sys.path.remove(folder)
    if found:
        if "" in sys.path:
            sys.path.remove("")
        _forget()
    return found


def _forget():
    for name in list(sys.modules):
        if name.split(".")[0] in _APPLICATION:
            del sys.modules[name]


def _live():
    """Run the node. It only comes back when an exception came that it could not deal with itself."""
    try:
        from node import start

        start.run()
    except Exception as error:  # a file that does not import, memory that does not suffice
        sys.print_exception(error)


def main():
    """Run the best application there is."""
    record = _choose()
    if _short_lives() >= _SHORT_LIVES and not (record is not None and record.on_trial):
        fall_back()
    _live()
    if record is not None and record.on_trial and record.data[16] == 1:
        record.back(_CRASHED)
        machine.reset()
    if fall_back():
        _live()
    time.sleep_ms(60000)  # time for Ctrl-C and a repair at the console
    machine.reset()


if __name__ in ("__main__", "main"):
    main()
