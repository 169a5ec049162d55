"""The SX1262's settings and its receiver, apart from its wires (see sx1262.py)."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.channel.frame import Channel, Frame, Tuning
from wire.lorawan import airtime

# Registers with a reset value that matters (datasheet table 12-1; 0x0736 as RadioLib documents it).
_RESET_REGISTERS = {
    0x0736: 0x0D,
    0x0740: 0x14,
    0x0741: 0x24,
    0x0889: 0x01,
    0x08AC: 0x94,
    0x08D8: 0xC8,
    0x08E7: 0x38,
}
_BANDWIDTHS_KHZ = {4: 125, 5: 250, 6: 500}
# SetPaConfig: (paDutyCycle, hpMax) -> dBm at the TxParams value 22 (table 13-21).
_PA_OPTIMA = {(4, 7): 22, (3, 5): 20, (2, 3): 17, (2, 2): 14}


@dataclass(slots=True)
class Configuration:
    """Everything the host has set; a fresh one is the state after reset."""

    registers: dict[int, int] = field(default_factory=lambda: dict(_RESET_REGISTERS))
    buffer: bytearray = field(default_factory=lambda: bytearray(256))
    packet_type: int = 0
    freq_hz: int = 0
    sf: int = 7
    bw_khz: int = 125
    coding_rate: int = 1
    ldro: bool = False
    preamble: int = 0
    payload_length: int = 0
    crc: bool = False
    iq_inverted: bool = False
    tx_base: int = 0
    rx_base: int = 0
    pa: tuple[int, int] | None = None
    tx_power: int = 0
    irq_mask: int = 0
    dio1_mask: int = 0
    symbol_timeout: int = 0
    stop_timer_on_preamble: bool = False
    dio2_rf_switch: bool = False
    tcxo_delay_us: int | None = None

    @property
    def sync_word(self) -> int:
        """The LoRa sync word registers."""
        return self.registers[0x0740] << 8 | self.registers[0x0741]

    @property
    def symbol_us(self) -> int:
        """Length of a symbol."""
        return airtime.symbol_us(self.sf, self.bw_khz)

    def ready_to_listen(self) -> bool:
        """Tell whether LoRa modulation has been set (the model knows no FSK)."""
        return self.packet_type == 1

    def ready(self) -> bool:
        """Tell whether enough has been set to send."""
        return self.packet_type == 1 and self.freq_hz > 0 and self.payload_length > 0

    def tuning(self) -> Tuning | None:
        """Return what the radio sends or listens for; None when that is nothing anybody shares."""
        if not self.freq_hz:
            return None
        bit = bool(self.registers[0x0736] & 0x04)
        inverted = self.iq_inverted if bit != self.iq_inverted else None
        return Tuning(self.freq_hz, self.sf, self.bw_khz, inverted, self.sync_word, self.ldro)

    def after_warm_sleep(self, *, keep: bool) -> None:
        """Forget what a sleep with retention loses; everything when keep is False."""
        if not keep:
            fresh = Configuration()
            for name in self.__slots__:
                setattr(self, name, getattr(fresh, name))
            return
        sync = self.registers[0x0740], self.registers[0x0741]
        self.registers = dict(_RESET_REGISTERS)
        self.registers[0x0740], self.registers[0x0741] = sync
        self.buffer = bytearray(256)
        self.dio2_rf_switch = False
        self.tcxo_delay_us = None

    def command(self, mosi: bytes) -> bool:
        """Apply a setting command; False refuses its parameters."""
        opcode, p = mosi[0], mosi[1:]
        if opcode == 0x86:
            self.freq_hz = round(int.from_bytes(p[:4], "big") * 32_000_000 / (1 << 25))
        elif opcode == 0x8A:
            self.packet_type = p[0]
        elif opcode == 0x8B:
            return self._modulation(p)
        elif opcode == 0x8C:
            self.preamble = p[0] << 8 | p[1]
            self.payload_length = p[3]
            self.crc = bool(p[4] & 1)
            self.iq_inverted = bool(p[5] & 1)
        elif opcode == 0x8E:
            self.tx_power = p[0] - 256 if p[0] > 127 else p[0]
            return -9 <= self.tx_power <= 22
        elif opcode == 0x95:
            self.pa = (p[0], p[1])
            return p[2] == 0 and p[3] == 1
        elif opcode == 0x8F:
            self.tx_base, self.rx_base = p[0], p[1]
        elif opcode == 0x08:
            self.irq_mask = p[0] << 8 | p[1]
            self.dio1_mask = p[2] << 8 | p[3]
        elif opcode == 0xA0:
            self.symbol_timeout = p[0]
        elif opcode == 0x9F:
            self.stop_timer_on_preamble = bool(p[0])
        elif opcode == 0x9D:
            self.dio2_rf_switch = bool(p[0])
        elif opcode == 0x97:
            self.tcxo_delay_us = int.from_bytes(p[1:4], "big") * 1000 // 64
            return p[0] <= 7
        return True  # regulator mode and fallback mode change nothing that the host can see here

    def _modulation(self, p: bytes) -> bool:
        if not 7 <= p[0] <= 12 or p[1] not in _BANDWIDTHS_KHZ or not 1 <= p[2] <= 4:
            return False
        self.sf, self.bw_khz, self.coding_rate, self.ldro = p[0], _BANDWIDTHS_KHZ[p[1]], p[2], bool(p[3])
        return True


def output_power_dbm(config: Configuration) -> float:
    """Return the conducted power at the antenna connector; without SetPaConfig the stage hardly works."""
    if config.pa is None:
        return -20.0
    return _PA_OPTIMA.get(config.pa, 14) - (22 - config.tx_power)


@dataclass(slots=True)
class Reception:
    """A receiver that is on: it waits for a preamble, then follows one frame to its end.

    `detect_symbols` of preamble have to be heard before the frame is seen. Without a preamble the
    symbol timeout ends the reception, without a header (or preamble, as set) the timer does.
    """

    tuning: Tuning | None
    open_us: int
    symbol_us: int
    detect_symbols: int
    timer_us: int | None
    timer_stops_on_preamble: bool
    symbol_timeout: int
    frame: Frame | None = None
    detected_us: int = 0
    timed_out: bool = False
    done: bool = False

    @property
    def cut_before_header(self) -> bool:
        """Tell whether the frame was broken off before its header was complete."""
        return self.frame is not None and self.frame.end_us < self.frame.header_us

    def _search_ends_us(self) -> int | None:
        ends = [
            self.open_us + limit
            for limit in (self.timer_us, self.symbol_timeout * self.symbol_us or None)
            if limit is not None
        ]
        return min(ends) if ends else None

    def _header_limit_us(self) -> int | None:
        """Return until when a header must be there, if the timer is stopped by nothing less."""
        if self.timer_us is None or self.timer_stops_on_preamble:
            return None
        return self.open_us + self.timer_us

    def _first(self, channel: Channel, receiver: object, until_us: int) -> tuple[int, Frame] | None:
        """Return (detection, frame) of the first preamble that this reception sees."""
        if self.tuning is None:
            return None
        limit, header_limit = self._search_ends_us(), self._header_limit_us()
        best: tuple[int, Frame] | None = None
        for frame in channel.audible(self.tuning, self.open_us, until_us, receiver):
            seen = max(self.open_us, frame.start_us) + self.detect_symbols * self.symbol_us
            if seen > min(frame.preamble_end_us, frame.end_us) or (limit is not None and seen > limit):
                continue
            if header_limit is not None and frame.header_us > header_limit:
                continue
            if best is None or seen < best[0]:
                best = (seen, frame)
        return best

    def advance(self, channel: Channel, receiver: object, now_us: int) -> None:
        """Bring the reception up to now."""
        if self.frame is None:
            found = self._first(channel, receiver, now_us)
            if found is not None and found[0] <= now_us:
                self.detected_us, self.frame = found
        if self.frame is not None:
            self.done = now_us >= self.frame.end_us
            return
        limit = self._search_ends_us()
        self.timed_out = limit is not None and now_us >= limit

    def next_event_us(self, channel: Channel, receiver: object) -> int | None:
        """Return when this reception ends, as far as is known now."""
        if self.frame is not None:
            return self.frame.end_us
        limit = self._search_ends_us()
        far = limit if limit is not None else self.open_us + 60_000_000
        found = self._first(channel, receiver, far)
        return found[1].end_us if found is not None else limit
