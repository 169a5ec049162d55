# select.poll over simulated sockets; what is no socket of the world (the console) is polled as it is.
import uselect
from ustruct import pack

from _link import S, ask_with

POLLIN = 1
POLLOUT = 4
POLLERR = 8
POLLHUP = 16
_FOREVER = 0xFFFFFFFF


class poll:
    def __init__(self):
        self._entries = []

    def register(self, obj, eventmask=POLLIN | POLLOUT):
        self.unregister(obj)
        self._entries.append((obj, eventmask))

    def unregister(self, obj):
        self._entries = [e for e in self._entries if e[0] is not obj]

    def modify(self, obj, eventmask):
        self.register(obj, eventmask)

    def poll(self, timeout=-1):
        wait = _FOREVER if timeout is None or timeout < 0 else timeout
        for obj, mask in self._entries:
            if not hasattr(obj, "setblocking"):
                own = uselect.poll()
                own.register(obj, mask)
                return own.poll(0)
        for obj, mask in self._entries:  # one socket is what a node has; the first that is ready answers
            ask_with(29, mask, obj.fileno(), pack("<II", 0, wait if len(self._entries) == 1 else 0))
            if S.value:
                return [(obj, S.value)]
        return []

    ipoll = poll
