# The node's half of simulator/lorawan_dut.py: the firmware's own LoRaWAN stack, driven line by line.
import json
import time

import machine
from node import build
from node.store import NvsStore
from node.version import VERSION
from radio.certification import PORT, Certification
from radio.errors import RadioError
from radio.uptime import Uptime

_CONSOLE = 7  # the UART that leads to the host
_BAUD = 921600
_DAY_MS = 86400000
_IDLE_MS = 1000

with open("config.json") as f:
    config = json.load(f)
board = build.board_module(config["board"])
uart = machine.UART(_CONSOLE, _BAUD, rxbuf=2048)
mac = build.lora_mac(board, build.Buses(board), config, NvsStore(), duty_cycle=config["duty_cycle"])
package = Certification(mac, VERSION) if config["certification"] else None
periodic_at = 0
uptime = Uptime(time)
wanted_dr = config["dr"]
mac.first_dr = min(wanted_dr, 5)
joining = False


def say(text):
    uart.write((text + "\n").encode())


def ask():
    """Return the next command; the host holds the clock until it has one."""
    uart.write(b"?\n")
    while not uart.any():
        time.sleep_ms(_IDLE_MS)  # the host is about to cut the power or to end
    return uart.read(uart.any()).decode().split()


def tell(result):
    for port, data in result.downlinks if package is None else package.take(result.downlinks):
        say("DOWN port=%d hex=%s" % (port, data.hex()))
    if not result.sent:
        say("ERR " + result.reason)


def join():
    """One attempt, if it may be made now."""
    global joining
    joining = True
    if mac.join():
        joining = False
        set_dr(wanted_dr)
        say("JOINED devaddr=%08x" % mac.session.dev_addr)
    elif mac.reason and mac.reason != "too early":
        joining = False  # trying again would not help
        say("ERR " + mac.reason)


def set_dr(dr):
    """Return whether the data rate can be used; it is in use then."""
    if not mac.session.channels.for_dr(dr):
        return False
    mac.session.dr = dr
    return True


def certify():
    """Do what a test house asked for on port 224; return when it wants something next, None for never."""
    global periodic_at, joining
    if package is None or not mac.joined:
        return None
    if package.reset_due:
        machine.reset()
    if package.join_due:
        package.join_due = False
        joining = True
        return 0
    if not package.answers and not package.period_ms:
        return None
    left = 0 if package.answers else periodic_at - uptime.ms()
    if left > 0:
        return left
    payload = package.answers[0] if package.answers else package.next_payload()
    result = mac.send(PORT, payload, package.confirmed)
    if not result.sent:
        return max(mac.wait_ms(), _IDLE_MS)
    if package.answers:
        package.answers.pop(0)
    periodic_at = uptime.ms() + package.period_ms
    tell(result)
    return 0


def run(ms):
    """Let time pass, and do what a node does by itself meanwhile."""
    end = uptime.ms() + ms
    while True:
        left = end - uptime.ms()
        if left <= 0:
            return
        pause = min(left, _DAY_MS)
        asked = certify()
        if asked == 0:
            continue
        if asked:
            pause = min(pause, asked)
        if joining:
            wait = mac.join_wait_ms()
        elif mac.wants_uplink:
            wait = mac.wait_ms()
        else:
            wait = pause
        if wait > 0:
            time.sleep_ms(min(wait, pause))
        elif joining:
            join()
        else:
            result = mac.poll()
            tell(result)
            if not result.sent:
                time.sleep_ms(_IDLE_MS)


def command(words):
    global wanted_dr
    name = words[0]
    if name == "JOIN":
        join()
    elif name == "SEND":
        payload = b"" if words[3] == "-" else bytes.fromhex(words[3])
        tell(mac.send(int(words[1]), payload, words[2] == "1"))
    elif name == "RUN":
        run(int(words[1]))
    elif name == "DR":
        dr = int(words[1])
        if mac.joined and not set_dr(dr):
            say("ERR no enabled channel carries DR%d" % dr)
        else:
            wanted_dr = dr
            mac.first_dr = min(dr, 5)


say("READY")
while True:
    words = ask()
    try:
        command(words)
    except RadioError as error:
        say("ERR " + str(error))
    say("OK")
