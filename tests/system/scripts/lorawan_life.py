# Runs in the unix port on a simulated board: the firmware's LoRaWAN stack joins and sends for ever.
# It watches from within that no collection falls between the end of a transmission and the end of RX2.
import gc
import json
import random
import time

from node import build
from node.store import NvsStore

with open("config.json") as f:  # noqa: PTH123
    config = json.load(f)
board = build.board_module(config["board"])
mac = build.lora_mac(board, build.Buses(board), config, NvsStore())
phy = mac.air._phy
real = phy.transmit, phy.receive
used = None


def watch():
    """Memory in use only grows while nothing is collected."""
    global used
    if gc.isenabled():
        raise AssertionError("collection is on in the receive delay")
    now = gc.mem_alloc()
    if used is not None and now < used:
        raise AssertionError("collected between the end of a transmission and RX2")
    used = now


def transmit(*args):
    global used
    end = real[0](*args)
    used = None
    watch()
    return end


def receive(*args):
    watch()
    got = real[1](*args)
    watch()
    if phy.window_late_us > 1000:
        raise AssertionError("a window opened late: " + str(phy.window_late_us) + " us")
    return got


phy.transmit, phy.receive = transmit, receive
print("boot")
while True:
    if not mac.joined:
        if not mac.join():
            time.sleep_ms(max(mac.join_wait_ms(), 100))
        continue
    result = mac.send(
        1, bytes(random.getrandbits(8) % config["payload"]), random.random() < config["confirmed"]
    )
    if result.acked:
        print("acked")
    waits = mac.wait_ms() if mac.wants_uplink else max(mac.wait_ms(), config["interval_ms"])
    time.sleep_ms(max(waits, 1))
    if mac.wants_uplink:
        mac.poll()
        time.sleep_ms(max(mac.wait_ms(), 1))
