"""Starting up: configuration, board, sensors, way out, then the state machine for ever.

Whatever is broken, something runs: wrong keys take their defaults, a sensor that cannot be built is
left out, no way out means that records are kept. Only the state machine itself ending restarts the chip.
"""

import gc
import os
import sys
import time

from wire import codec

from . import brownout, build, config, furnish, recovery
from .flash import ring_flash
from .hal import Hal
from .log import RecordLog
from .no_link import NoLink
from .outbox import Outbox
from .remote import Remote
from .status import Health
from .store import NvsStore
from .timekeeping import Timekeeper

_COPY = "config"  # the last configuration without a fault, in NVS
_TRIAL = "trial"  # node/remote.py's
# Codec 2 takes 30 KB in the unix port, whose words are 64 bits; radio and page need theirs while they live.
_CODEC_ROOM = 131072 if sys.maxsize > 0x7FFFFFFF else 65536
_MENDED = {"config.new": 1, "config.old": 2, "file system": 4}  # wire.status.MENDED


def _read_config(health, store):
    try:
        with open("config.json") as f:
            text = f.read()
    except (OSError, ValueError):  # ValueError: bytes that are no text
        text = ""
    if not config.is_object(text):
        copy = _from_copy(store)
        if copy:
            text = copy
            health.mended = True
            health.mended_what = 3
    settings, health.config_errors = config.load(text)
    if not health.config_errors and (store.load(_TRIAL) or b"\x00") == b"\x00":
        try:
            store.save(_COPY, text.encode())
        except OSError:
            pass  # no room: then there is no copy
    try:
        with open("mended") as f:  # boot.py or _boot.py left it
            what = f.read()
        os.remove("mended")
        health.mended = True
        health.mended_what = health.mended_what or _MENDED.get(what, 0)
    except OSError:
        pass
    return settings


def _from_copy(store):
    """Return the text of the last good configuration, put back in its place, or ""."""
    try:
        text = (store.load(_COPY) or b"").decode()
        if text:
            with open("config.new", "w") as f:
                f.write(text)
            os.rename("config.new", "config.json")
        return text
    except ValueError:
        return ""
    except OSError:
        return text  # the file system takes nothing: run with it all the same


def _link(settings, board, buses, store, hal, health):
    try:
        if settings["radio"] == "lorawan":
            return build.lora_link(board, buses, settings, store, hal.retained, hal.rtc_ms, hal.waits)
        if settings["radio"] == "mqtt":
            return build.wifi_link(settings, hal.waits)
        if settings["radio"] == "wifi":
            return build.local_link(settings, hal.waits)
        if settings["radio"] == "cable":
            return build.cable_link(settings, hal.waits)
    except Exception as error:  # a broken radio must not stop the measuring
        build.print_error(error)
        health.config_errors.append("radio: " + repr(error))
    return NoLink()


def _board(settings, health):
    try:
        return build.board_module(settings["board"])
    except Exception as error:  # whatever is wrong with the file, the node runs without it
        health.config_errors.append("board: " + repr(error) + ": name a file in boards/")
        return None


def _fell_back():
    """Tell whether main.py took the flash's application out of the search path."""
    return "" not in sys.path


def make(hal, store, lives, cause):
    """Return the Node that config.json and the board describe."""
    health = Health(cause, lives.boots, lives.short, lives.safe_mode)
    health.fell_back = _fell_back()
    settings = _read_config(health, store)
    hal.sleep_mode(settings["sleep"])
    board = _board(settings, health)
    if not settings["noise_s"] and build.has_microphone(board):
        hal.listen()
    clock = Timekeeper(time, settings["drift_ok_s"])
    clock.restore(hal.kept(), hal.rtc_ms())
    log = RecordLog(ring_flash("log", settings["log_kib"]))
    outbox = Outbox(log, store)
    _protect(outbox, settings, hal)
    # Beside the buffers of a microphone it may find no memory: there it takes what is left in the end.
    is_noise = settings["kind"] == "noise"
    if not is_noise:
        _choose_codec(outbox, settings, clock)
    buses = build.Buses(board)
    sensors = []
    gc.collect()  # reading the log left small pieces; a microphone's buffers want a large one
    if board is not None and not lives.safe_mode:
        sensors = build.sensors(board, buses, settings, health, outbox.last_value)
    link = _link(settings, board, buses, store, hal, health)
    gc.collect()
    gc.threshold(gc.mem_free() // 4 + gc.mem_alloc())  # collect early: large free pieces stay large
    remote = Remote(settings, store)
    parts = (hal, settings, sensors, link, log, outbox, clock, health, lives, print, remote)
    node = furnish.make(board, outbox.last_value, *parts)
    node.updates = _updates(settings, store, remote)
    if settings["radio"] not in ("lorawan", "cable") and not lives.safe_mode:
        from . import reception

        node.desk = reception.open_desk(hal, settings, link)
        if node.desk is not None:
            reception.open_web(node.desk, node, settings, link)
    if is_noise:
        _choose_codec(outbox, settings, clock, _CODEC_ROOM)
    return node


def _choose_codec(outbox, settings, clock, room=0):
    """Let the outbox code as the configuration says; what codec 2 needs is only loaded then.

    room: bytes that must be free for it; a node without them codes plainly, which every gateway reads too.
    """
    if settings["codec"] != codec.SMALL:
        return
    gc.collect()
    if gc.mem_free() < room:
        print("codec 1: no memory for 2")  # noqa: T201
        return
    try:
        from kernels import entropy
        from wire.codec import v2
    except MemoryError:
        gc.collect()
        print("codec 1: no memory for 2")  # noqa: T201
        return
    v2.use(entropy.Engine)
    outbox.codec = codec.SMALL
    if settings["radio"] == "lorawan":  # the network stamps a frame as it leaves; a broker may hold it
        outbox.now_s = lambda: clock.now()[0] if clock.known else None


def _wait_for_power(hal):
    """Wait before a life begins: before counters of lives, log and radio."""
    try:
        with open("config.json") as f:
            settings = config.load(f.read())[0]
        if settings["battery_low_mv"]:
            driver = build.battery(build.board_module(settings["board"]))
            brownout.wait_for_power(driver, settings["battery_low_mv"], hal.sleep, print)
    except Exception:
        return  # whatever is broken, make() will say it


def _updates(settings, store, remote):
    """Return the Updates of this node, None where no key was given to judge them by."""
    from wire import update

    if not settings["update_key"]:
        remote.others[update.OFFER] = _no_key
        return None
    from .inbox import Inbox
    from .slots import Slots
    from .updates import Updates

    target = (build.architecture(), build.mpy_version(), settings["board"])
    key = bytes.fromhex(settings["update_key"])
    base = build.base_image()
    allowed, free_bytes = settings["updates"], build.free_bytes
    made = Updates(
        store, Slots(store), Inbox(), target, key, allowed, remote, free_bytes, base, settings["interval_s"]
    )
    remote.others[update.OFFER] = made.offer
    remote.others[update.CANCEL] = made.cancel
    return made


def _no_key(payload):
    from wire import update

    return update.pack_state(update.unpack_offer(payload).id, update.REFUSED, update.NO_KEY)


def _protect(outbox, settings, hal):
    """Let records share frames, and frames carry parity of those before, as the configuration says."""
    outbox.batch = settings["batch"]
    percent = settings["parity_percent"]
    if percent and settings["radio"] == "lorawan":
        from kernels.parity import add_sum
        from wire.codec import parity

        outbox.parity = parity.Window(parity.rate_of(percent), hal.random(256), add_sum)


def run():
    """Run until the power goes. An exception that gets this far is kept, and the chip starts anew."""
    hal = Hal()
    _wait_for_power(hal)
    store = NvsStore()
    lives = recovery.Lives(store, hal.reset_cause(), _fell_back())
    try:
        node = make(hal, store, lives, hal.reset_cause())
        hal.watch()
        node.run()
    except Exception as error:
        gc.collect()
        build.print_error(error)
        lives.crashed(repr(error))
        time.sleep_ms(1000 << min(lives.short, 6))  # a crash loop must not wear out the flash
        hal.reset()
