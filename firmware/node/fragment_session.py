"""The device's side of TS004 for one update at a time: sessions, fragments, and putting them together."""

from wire import fragments
from wire.errors import WireError


class FragmentSession:
    """inbox: node.inbox.Inbox. expected() is (descriptor, bytes) of the block that may come, or None.

    Class A and one device: sessions for multicast groups are refused, as is a second session.
    """

    def __init__(self, inbox, expected):
        self._inbox = inbox
        self._expected = expected
        self._open = None  # (m, size)
        self._tried_sums = 0

    @property
    def open(self):
        """Tell whether fragments are awaited."""
        return self._open is not None and not self._inbox.complete

    def resume(self):
        """Go on with the session whose fragments are in the inbox."""
        self._open = (self._inbox.pieces, self._inbox.piece_bytes)

    def close(self):
        """Await nothing."""
        self._open = None
        self._tried_sums = 0

    def take(self, payload):
        """Take a payload of FPort 201; return the answers. OSError when the flash refuses a fragment.

        What is broken, or of another session, changes nothing.
        """
        try:
            messages = fragments.unpack(payload, False)
        except WireError:
            return []
        answers = [self._obey(command, fields) for command, fields in messages]
        return [answer for answer in answers if answer is not None]

    def _obey(self, command, fields):
        if command == fragments.PACKAGE_VERSION_CMD:
            return fragments.pack_version_ans()
        if command == fragments.SETUP:
            return self._set_up(fields)
        index = fields[0]
        mine = self._open is not None and not index
        inbox = self._inbox
        if command == fragments.DELETE:
            if mine:
                self.close()
                inbox.clear()
            return fragments.pack_answer(fragments.DELETE, index, 0 if mine else fragments.NO_SESSION)
        if not mine:
            return None
        if command == fragments.STATUS:
            missing = inbox.pieces - inbox.count
            if missing or fields[1]:
                return fragments.pack_status_ans(index, inbox.count + inbox.sum_count, missing)
        elif command == fragments.DATA and fields[1] and not inbox.complete:
            inbox.put(fields[1] - 1, fields[2])
            self._solve()
        return None

    def _set_up(self, fields):
        index, groups, m, size, algorithm, _delay, padding, descriptor = fields
        wrong = 0
        expected = self._expected()
        if expected is None or descriptor != expected[0] or m * size - padding != expected[1]:
            wrong |= fragments.WRONG_DESCRIPTOR
        if index or groups:
            wrong |= fragments.INDEX_NOT_SUPPORTED
        if algorithm:
            wrong |= fragments.NO_ENCODING
        if not wrong and self._open != (m, size):
            try:
                self._inbox.begin(descriptor, expected[1], size)
                self._open = (m, size)
            except (ValueError, OSError):
                wrong |= fragments.NO_MEMORY
        return fragments.pack_answer(fragments.SETUP, index, wrong)

    def _solve(self):
        inbox = self._inbox
        missing = inbox.pieces - inbox.count
        if not missing or inbox.sum_count < missing or inbox.sum_count == self._tried_sums:
            return
        self._tried_sums = inbox.sum_count
        sums = [(number + 1, piece) for number, piece in inbox.sums]
        found = fragments.solve(inbox.pieces, inbox.piece_bytes, inbox.piece, sums)
        if found is not None:
            for number in sorted(found):
                inbox.put(number, found[number])
