# The node's end of the wire to the world; simulator/link.py describes the frames.
# Everything here is thin: it shares the heap of the firmware under test.
import ujson
import uos
from ustruct import pack_into, unpack_from

_fd = int(uos.getenv("MEETNET_LINK_FD"))
_read = open(_fd, "rb").readinto
_write = open(_fd, "wb").write
_request = bytearray(16)
_reply = bytearray(32)

TICKS_MASK = 0x3FFFFFFF  # small ints of the chip have 31 bits: ticks wrap there


class _State:
    pass


S = _State()
S.now = 0  # the node's clock: world time in microseconds
S.horizon = 0  # up to here the clock may advance without asking
S.pins = 0
S.pins_until = 0
S.value = 0
S.n = 0
S.wdt_at = None  # the watchdog bites at this instant
S.wdt_us = 0
S.work_us = 0  # what the program does with what it has just read, and no call here would show
S.work_begun = False


def _answer():
    if _read(_reply) != 32:
        raise SystemExit("the world is gone")
    status, S.pins, S.value, S.n, S.now, S.pins_until, S.horizon = unpack_from("<BBHIqqq", _reply, 0)
    return status


def ask(op, unit, addr, n, t):
    """Ask without payload; return the status. The reply's numbers are in S."""
    pack_into("<BBHIq", _request, 0, op, unit, addr, n, t)
    _write(_request)
    return _answer()


def ask_with(op, unit, addr, payload):
    """Ask with payload; return the status."""
    pack_into("<BBHIq", _request, 0, op, unit, addr, len(payload), S.now)
    _write(_request)
    if len(payload):
        _write(payload)
    return _answer()


def tell(op, unit, addr, payload, n=0):
    """Say without waiting for an answer."""
    pack_into("<BBHIq", _request, 0, op, unit, addr, len(payload) if payload is not None else n, S.now)
    _write(_request)
    if payload:
        _write(payload)


def payload():
    """Return the reply's payload (S.n bytes)."""
    data = bytearray(S.n)
    if S.n:
        _read(data)
    return data


def payload_into(buf):
    """Read the reply's payload into buf, which has exactly S.n bytes."""
    if len(buf):
        _read(buf)


def wait_forever():
    """End this life: the world stops the process, nothing of the firmware runs any more."""
    while True:
        if _read(_reply) != 32:
            raise SystemExit("the world is gone")


def _bite():
    tell(17, 0, 3, None)  # RESET, WDT_RESET
    wait_forever()


def sleep_until(t):
    """Let time pass. Inside the horizon this costs nothing; beyond it the world wakes us."""
    if S.work_us:
        S.now += S.work_us
        S.work_us = 0
        t = max(t, S.now)
    wdt = S.wdt_at
    if wdt is not None and t >= wdt:
        if wdt > S.now:
            ask(1, 0, 0, 0, wdt)
        _bite()
    if t <= S.horizon:
        if t > S.now:
            S.now = t
    else:
        ask(1, 0, 0, 0, t)


def spend(us):
    """A call took some microseconds."""
    S.now += us
    if S.work_us:
        if S.work_begun:
            S.now += S.work_us
            S.work_us = 0
        S.work_begun = True
    if S.now > S.horizon or (S.wdt_at is not None and S.now >= S.wdt_at):
        sleep_until(S.now)


def work(us):
    """What follows takes so long: it has begun after the next look at the clock, and is over before the one after."""
    S.work_us = us
    S.work_begun = False


def pin_levels():
    """Return the levels of the watched pins at this instant."""
    S.now += 3
    if S.now >= S.pins_until:
        ask(5, 0, 0, 0, S.now)
    return S.pins


ask(0, 0, 0, 0, 0)
HELLO = ujson.loads(payload())
S.boot = S.now - HELLO["boot_us"]  # ticks count from power-on, before the first line of Python
S.ppm = HELLO["ppm"]  # how much the crystal is fast
S.rtc = HELLO["rtc_us"]  # what to add to the world's clock to get this board's RTC
