"""Configuration on the real littlefs: SET, trial, keep, go back, Wi-Fi set-up, the power going at any byte.

run(data) lives scripts of changes. At every start boot.py mends, and what then runs must be one of the whole
configurations that somebody asked for: no default in place of one, no half of one. Only on MicroPython.
"""

# ruff: noqa: PTH123
import json
import os
import random
import sys

import vfs
from torn_flash import TornFlash

from node import config as configuration
from node import config_file
from node.remote import Remote
from wire import commands

BLOCK, BLOCKS = 512, 48


class PowerCut(BaseException):
    pass


class Store:
    """NVS, whose writes are whole and cost some of what is left."""

    def __init__(self, values, flash):
        self.values = values
        self.flash = flash

    def load(self, name):
        return self.values.get(name)

    def save(self, name, value):
        flash = self.flash
        for done in (False, True):
            if flash.dead:
                raise PowerCut()
            if flash.left is not None:
                flash.left -= 8
                flash.dead = flash.left < 0
                if flash.dead:
                    raise PowerCut()
            if not done:
                self.values[name] = bytes(value)


def _mend():
    """Run boot.py as the chip does, first of all."""
    for folder in sys.path:
        try:
            with open(folder + "/boot.py") as f:
                code = f.read()
            break
        except OSError:
            continue
    exec(code, {"__name__": "boot"})


def _live(store, flash, asked, lot):
    """One start: what runs is compared with what was ever asked for; then something is changed."""
    _mend()
    with open("config.json") as f:
        text = f.read()
    running = json.loads(text)
    if running not in asked:
        return "half"
    settings, errors = configuration.load(text)
    if errors:
        return "faulty"
    remote = Remote(settings, store)
    if remote.reset_due:
        return "went back"
    if remote.on_trial:
        if lot.getrandbits(1):
            remote.heard()
        else:
            remote.check(300 * 60000)
            if remote.reset_due:
                return "went back"
    what = lot.getrandbits(2)
    value = 60 + lot.getrandbits(10)
    if what < 3:
        wanted = dict(running)
        wanted["interval_s"] = value
        asked.append(wanted)
        remote.command(commands.pack_set(lot.getrandbits(8), 200, [("interval_s", value)]))
    else:
        wanted = dict(running)
        wanted["wifi"] = {"ssid": "n" + str(value), "password": "geheim"}
        asked.append(wanted)
        config_file.merge([("wifi.ssid", "n" + str(value)), ("wifi.password", "geheim")])
    return "changed"


def run(data):
    total = {"cuts": 0, "half": 0, "dead": 0, "starts": 0}
    first = {"schema": 1, "kind": "air", "board": "sim_air", "interval_s": 300}
    for seed in data["seeds"]:
        random.seed(seed)
        lot = random
        image = bytearray(b"\xff" * (BLOCK * BLOCKS))
        vfs.VfsLfs2.mkfs(TornFlash(image, BLOCK))
        flash = TornFlash(image, BLOCK)
        vfs.mount(vfs.VfsLfs2(flash), "/chip")
        with open("/chip/config.json", "w") as f:
            f.write(json.dumps(first))
        image = bytearray(flash.data)
        flash.dead = True
        vfs.umount("/chip")
        values, asked, cuts = {}, [first], 0
        while cuts < data["cuts"]:
            flash = TornFlash(bytearray(image), BLOCK)
            vfs.mount(vfs.VfsLfs2(flash), "/chip")
            os.chdir("/chip")
            flash.left = lot.getrandbits(lot.choice((5, 8, 10, 11)))
            why = "cut"
            try:
                why = _live(Store(values, flash), flash, asked, lot)
            except PowerCut:
                pass
            except (OSError, ValueError):
                if not flash.dead:
                    raise
            total["starts"] += 1
            if flash.dead:
                cuts += 1
                total["cuts"] += 1
            elif why in ("half", "faulty"):
                total["half"] += 1
            image = bytearray(flash.data)
            flash.dead = True
            os.chdir("/")
            vfs.umount("/chip")
            if why in ("half", "faulty"):
                break
        # With the power back the node starts, with something that somebody asked for.
        flash = TornFlash(bytearray(image), BLOCK)
        vfs.mount(vfs.VfsLfs2(flash), "/chip")
        os.chdir("/chip")
        if _live(Store(values, flash), flash, asked, lot) in ("half", "faulty"):
            total["dead"] += 1
        flash.dead = True
        os.chdir("/")
        vfs.umount("/chip")
    return total
