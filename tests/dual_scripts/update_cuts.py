"""Updates on the real littlefs, with frozen main.py, the power going at any byte. Only on MicroPython.

run(data) lives, for each seed, from an offer to its end: pieces come (in order, or as TS004 fragments with
losses
and sums), are judged, unpacked into the slot that does not run, tried, kept or taken back. The power goes at
random places. What main.py chooses to run is compared, file by file, with the releases: it must be one of
them.
"""

# ruff: noqa: PTH102, PTH123
import os
import random
import sys

import vfs
from torn_flash import TornFlash

from wire import fragments, ports, update

BLOCK, BLOCKS = 512, 256
POWER, HARD = 1, 2


class PowerCut(BaseException):
    pass


class Nvs:
    """esp32.NVS: a change is there, whole, once commit() has returned; it costs some of what is left."""

    def __init__(self, blobs, power):
        self.blobs = blobs
        self.power = power
        self.pending = {}

    def get_blob(self, name, buf):
        if name not in self.blobs:
            raise OSError(-4354, "ESP_ERR_NVS_NOT_FOUND")
        value = self.blobs[name]
        if len(value) > len(buf):
            raise OSError(-4364)
        buf[: len(value)] = value
        return len(value)

    def set_blob(self, name, value):
        self.pending[name] = bytes(value)

    def commit(self):
        self.power.spend(8)
        self.blobs.update(self.pending)
        self.pending = {}
        self.power.spend(8)


class Power:
    def __init__(self, flash):
        self.flash = flash

    def spend(self, n):
        if self.flash.dead:
            raise PowerCut()
        if self.flash.left is not None:
            self.flash.left -= n
            if self.flash.left < 0:
                self.flash.dead = True
                raise PowerCut()


class Esp32:
    nvs = None

    @classmethod
    def NVS(cls, _namespace):
        return cls.nvs


class Machine:
    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET = 1, 2, 3, 4
    cause = POWER

    @classmethod
    def reset_cause(cls):
        return cls.cause


class Frozen:
    def __init__(self, names):
        self._choose = names["_choose"]


def _frozen():
    """Return frozen main.py as a module, without letting it run the node."""
    sys.modules["esp32"] = Esp32
    sys.modules["machine"] = Machine
    for folder in sys.path:
        try:
            with open(folder + "/main.py") as f:
                code = f.read()
            break
        except OSError:
            continue
    names = {"__name__": "frozen"}
    exec(code, names)
    return Frozen(names)


def _tree(folder):
    found = {}
    for row in os.ilistdir(folder or "."):
        path = folder + "/" + row[0] if folder else row[0]
        if row[1] == 0x4000:
            found.update(_tree(path))
        else:
            with open(path, "rb") as f:
                found[path] = f.read()
    return found


def _running(main):
    """Return what main.py would run: {name: content}, as found in its folder."""
    before = list(sys.path)
    record = main._choose()
    added = [path for path in sys.path if path not in before]
    sys.path[:] = before
    folder = added[0] if added else ""
    names = ("node", "wire")
    files = {}
    for name in names:
        base = folder + "/" + name if folder else name
        try:
            for path, content in _tree(base).items():
                files[path[len(folder) + 1 :] if folder else path] = content
        except OSError:
            pass
    return record, files, folder


def _release(files):
    return {name: bytes.fromhex(content) for name, content in files.items()}


class Life:
    """One life of a node that has an update under way."""

    def __init__(self, nvs, key):
        from node.inbox import Inbox
        from node.slots import Slots
        from node.store import NvsStore
        from node.updates import Updates

        store = NvsStore()
        self.updates = Updates(store, Slots(store), Inbox(), (3, 6, "sim_air"), key, True)


def _deliver(updates, bundle, way, size, lot):
    """Hand over what is missing; fragments come in a random order with a third lost, sums behind them."""
    wanted = updates.fetches
    if wanted is not None:
        offset = wanted[2]
        updates.fetched(offset, bundle[offset : offset + 2048])
        return
    if way == update.FRAGMENTS and not updates.inbox.complete and updates._offer is not None:
        pieces = fragments.split(bundle, size)
        setup = fragments.pack_setup(
            0, len(pieces), size, len(pieces) * size - len(bundle), updates._offer.id
        )
        updates.fragment(setup)
        for _ in range(6):
            n = 1 + lot.randrange(2 * len(pieces))
            updates.fragment(fragments.pack_data(0, n, fragments.coded(pieces, n)))
            if updates.inbox.complete:
                break
    updates.answers.clear()


def _live(main, key, bundle, data, way, lot):
    """One start. Return (why it ended, whether the right thing ran)."""
    _record, files, _folder = _running(main)
    releases = data["releases"]
    whole = any(files == release for release in releases)
    if not whole:
        return "half", False
    life = Life(Esp32.nvs, key)
    updates = life.updates
    ran_new = files == releases[1]
    if updates.on_trial and ran_new:
        if data["bad"]:
            return "crash", True
        updates.heard()
    offer = update.Offer(data["id"], update.APPLICATION, way, data["serial"], len(bundle), 720, 80)
    ended = updates.slots.phase in (2, 3) or updates.slots.serial == data["serial"]
    if not ended:
        updates.offer(update.pack_offer(offer))
    for payload in [row[1] for row in updates.answers if row[0] == ports.COMMANDS]:
        if payload[0] == update.STATE and payload[5] in (update.KEPT, update.REVERTED):
            updates.told(payload)
            return "told", True
    if ended:
        return "told", True
    for _ in range(400):
        if updates.works:
            updates.work()
        elif updates.ready:
            updates.go()
            if updates.reset_due:
                return "reset", True
        else:
            _deliver(updates, bundle, way, data["fragment"], lot)
        if Esp32.nvs.power.flash.dead:
            raise PowerCut()
    return "slow", True


def _one(main, seed, data, key, bundle):
    """One update from its offer to its end; return (cuts, half, dead, outcome)."""
    random.seed(seed)
    way = seed % 2
    lot = random
    image = bytearray(b"\xff" * (BLOCK * BLOCKS))
    vfs.VfsLfs2.mkfs(TornFlash(image, BLOCK))
    flash = TornFlash(image, BLOCK)
    vfs.mount(vfs.VfsLfs2(flash), "/chip")
    made = set()
    for name, content in data["releases"][0].items():
        _put("/chip/" + name, content, made)
    image = bytearray(flash.data)
    flash.dead = True
    vfs.umount("/chip")
    blobs = {}
    cause, cuts, half, why = POWER, 0, 0, ""
    for _start in range(60):
        flash = TornFlash(bytearray(image), BLOCK)
        power = Power(flash)
        Esp32.nvs = Nvs(blobs, power)
        Machine.cause = cause
        vfs.mount(vfs.VfsLfs2(flash), "/chip")
        os.chdir("/chip")
        flash.left = lot.getrandbits(lot.choice((6, 9, 12, 13))) if cuts < data["cuts"] else None
        try:
            why, good = _live(main, key, bundle, data, way, lot)
            half += not good
        except (PowerCut, OSError):
            if not flash.dead:
                raise
            why = "cut"
        if flash.dead:
            cuts += 1
            why = "cut"
        image = bytearray(flash.data)
        flash.dead = True
        os.chdir("/")
        vfs.umount("/chip")
        cause = POWER if why == "cut" else HARD
        if why in ("told", "half"):
            break
    return cuts, half, why not in ("told", "half"), blobs, image


def _put(path, content, made):
    at = path.find("/", 6)
    while at > 0:
        if path[:at] not in made:
            os.mkdir(path[:at])
            made.add(path[:at])
        at = path.find("/", at + 1)
    with open(path, "wb") as f:
        f.write(content)


def run(data):
    main = _frozen()
    key, bundle = bytes.fromhex(data["key"]), bytes.fromhex(data["bundle"])
    plan = {
        "releases": [_release(files) for files in data["releases"]],
        "id": bytes.fromhex(data["id"]),
        "serial": data["serial"],
        "bad": data["bad"],
        "cuts": data["cuts"],
        "fragment": data["fragment"],
    }
    total = {"cuts": 0, "half": 0, "dead": 0, "new": 0, "old": 0}
    for seed in data["seeds"]:
        cuts, half, dead, blobs, image = _one(main, seed, plan, key, bundle)
        total["cuts"] += cuts
        total["half"] += half
        total["dead"] += dead
        flash = TornFlash(image, BLOCK)
        Esp32.nvs = Nvs(blobs, Power(flash))
        vfs.mount(vfs.VfsLfs2(flash), "/chip")
        os.chdir("/chip")
        files = _running(main)[1]
        os.chdir("/")
        vfs.umount("/chip")
        total["new"] += files == plan["releases"][1]
        total["old"] += files == plan["releases"][0]
    return total
