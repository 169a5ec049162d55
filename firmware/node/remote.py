"""Configuration by downlink: answer GET, try SET, and go back when the node is not heard with it.

A trial begins by writing, in this order: config.prev (what runs now), the trial record in NVS, then the
new config.json by renaming; and a reset, so that everything starts with the new values. From then on the
first uplink that the network confirms ends the trial well. If none is confirmed in the minutes that the
SET gave and three intervals, or the node was started too often meanwhile, config.prev comes back and the node
starts again.
A power cut between any two steps leaves the one configuration or the other; the trial record has the hash
of the new one, so the next start knows which it is.
"""

import json
import os

from wire import commands
from wire._compat import const
from wire.errors import WireError

from . import config as configuration
from . import config_file

_RECORD = "trial"
_NONE = b"\x00"
_AT_THE_NODE = ("dev_eui", "join_eui", "update_key", "updates")
# The first uplink of a life is a confirmed one, and while one fails every further one is; so three will do.
_CHANCES = const(3)
_GRACE_S = const(600)  # to join, and for the duty cycle
_MAX_BOOTS = const(6)
_NEW, _NOW, _PREVIOUS = "config.new", "config.json", "config.prev"


class Remote:
    """config: the configuration that runs. store: NVS. `answers` are payloads for FPort COMMANDS."""

    def __init__(self, config, store):
        self._config = config
        self._store = store
        self.answers = []
        self.others = {}  # first byte -> what takes such a payload and returns the answer or None
        self.reset_due = False
        self.last_outcome = None  # of a trial that ended in this life
        self._trial = None
        self._boot()

    def _boot(self):
        """Take up a trial that is under way. Record: token, minutes, boots, hash with the new values."""
        record = self._store.load(_RECORD)
        if not record or len(record) != 7:
            return
        token, minutes, boots = record[0], record[1], record[2] + 1
        if bytes(record[3:]) != self._config.hash4():
            self._end(token, commands.REVERTED)  # gone back, or cut off before the new values were in place
        elif boots > _MAX_BOOTS:
            self._revert(token)
        else:
            self._trial = (token, minutes)
            self._store.save(_RECORD, bytes([token, minutes, boots]) + bytes(record[3:]))
            self._say(token, commands.ON_TRIAL)

    # -- what came down --------------------------------------------------------------------------

    def command(self, payload):
        """Take a payload of FPort COMMANDS; what is none of ours or broken changes nothing."""
        try:
            if payload[:1] == bytes([commands.GET]):
                self._get(payload)
            elif payload[:1] == bytes([commands.SET]):
                self._set(payload)
            elif payload and payload[0] in self.others:
                answer = self.others[payload[0]](payload)
                if answer is not None:
                    self.answers.append(answer)
        except WireError:
            pass

    def _get(self, payload):
        token, keys = commands.unpack_get(payload)
        values = []
        for key in keys:
            row = commands.row_of(key)
            if row is None:
                self._say(token, commands.UNKNOWN_KEY, key)
                return
            values.append((key, self._config[row[1]]))
        self.answers.append(commands.pack_values(token, self._config.hash4(), values))

    def _set(self, payload):
        token, minutes, pairs = commands.unpack_set(payload)
        if self._trial is not None or self.reset_due:
            same = self._trial is not None and self._trial[0] == token
            self._say(token, commands.ON_TRIAL if same else commands.BUSY)
            return
        for key, value in pairs:
            row = commands.row_of(key)
            if row is None:
                self._say(token, commands.UNKNOWN_KEY, key)
                return
            if configuration.fault(row[1], value):
                self._say(token, commands.OUT_OF_RANGE, key)
                return
        wanted = [(commands.row_of(key)[1], value) for key, value in pairs]
        if all(self._config[name] == value for name, value in wanted):
            self._say(token, commands.KEPT)
            return
        try:
            self._begin(token, minutes, wanted)
        except (OSError, ValueError):
            self._say(token, commands.STORAGE)

    def try_values(self, pairs, minutes):
        """Try values of a signed update: [(key, value)]; tell whether they can be tried, all of them.

        Secrets, identity and the key that updates are judged by are set at the node only.
        """
        if self._trial is not None or self.reset_due:
            return False
        for name, value in pairs:
            if name in _AT_THE_NODE or configuration.is_secret(name) or configuration.fault(name, value):
                return False
        if all(self._config[name] == value for name, value in pairs):
            return True
        try:
            self._begin(0, min(max(minutes, 1), 255), pairs)
        except (OSError, ValueError):
            return False
        return True

    def _begin(self, token, minutes, wanted):
        with open(_NOW) as f:
            text = f.read()
        data = json.loads(text)
        for name, value in wanted:
            config_file.put(data, name, value)
        new = json.dumps(data)
        with open(_NEW, "w") as f:
            f.write(new)
        with open(_PREVIOUS, "w") as f:
            f.write(text)
        ends_as = configuration.load(new)[0].hash4()
        self._store.save(_RECORD, bytes([token, minutes, 0]) + ends_as)
        os.rename(_NEW, _NOW)
        self.reset_due = True

    # -- how a trial ends ------------------------------------------------------------------------

    @property
    def on_trial(self):
        """Tell whether new values have to prove themselves."""
        return self._trial is not None

    def heard(self):
        """The network has confirmed an uplink."""
        if self._trial is not None:
            token = self._trial[0]
            self._trial = None
            self._end(token, commands.KEPT)

    def check(self, uptime_ms):
        """Go back when the trial's time is over, but never before the node had three chances to be heard."""
        if self._trial is None:
            return
        least_ms = (_CHANCES * self._config["interval_s"] + _GRACE_S) * 1000
        if uptime_ms > max(self._trial[1] * 60000, least_ms):
            self._revert(self._trial[0])

    def _revert(self, token):
        """Put the values before in place and start again; the start that follows tells it."""
        self._trial = None
        try:
            os.rename(_PREVIOUS, _NOW)
            self.reset_due = True
        except OSError:  # there is nothing to go back to
            self._end(token, commands.STORAGE)

    def _end(self, token, outcome):
        self.last_outcome = outcome
        self._say(token, outcome)
        self._store.save(_RECORD, _NONE)
        try:
            os.remove(_PREVIOUS)
        except OSError:
            pass

    def _say(self, token, outcome, key=0):
        self.answers.append(commands.pack_result(token, outcome, key, self._config.hash4()))
