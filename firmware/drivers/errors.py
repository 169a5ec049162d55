"""The one exception of this room. fetch() never raises; only probe() does, with the wiring fault in words."""


class DriverError(Exception):
    """A chip that does not do its part. `state` is a state of wire.record, the text says what to look at."""

    def __init__(self, state, text):
        super().__init__(text)
        self.state = state
