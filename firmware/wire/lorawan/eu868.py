"""EU868 (RP002-1.0.4 section 2.4 as five open stacks code it; ETSI EN 300 220-2 for the sub-bands).

Powers are EIRP. Frequencies are in hertz. FSK (DR7) and LR-FHSS (DR8 on) are not supported.
"""

from .._compat import const
from ..errors import WireError

# (sf, bw_khz, largest MACPayload without repeater) of DR0..6; FOpts and header are part of MACPayload.
DATA_RATES = (
    (12, 125, 59),
    (11, 125, 59),
    (10, 125, 59),
    (9, 125, 123),
    (8, 125, 250),
    (7, 125, 250),
    (7, 250, 250),
)
MIN_DR = const(0)
MAX_DR = const(6)
MAX_DEFAULT_DR = const(5)  # of the three channels that every device has

JOIN_CHANNELS_HZ = (868100000, 868300000, 868500000)
EXTRA_CHANNELS_HZ = (867100000, 867300000, 867500000, 867700000, 867900000)  # common in CFLists
MAX_CHANNELS = const(16)
FIRST_FREE_CHANNEL = const(3)  # indexes 0..2 are read-only
MIN_FREQ_HZ = const(863000000)
MAX_FREQ_HZ = const(870000000)

RX2_FREQ_HZ = const(869525000)
RX2_DR = const(0)
MAX_RX1_DR_OFFSET = const(5)
RECEIVE_DELAY1_S = const(1)
JOIN_ACCEPT_DELAY1_S = const(5)  # RX2 follows one second after RX1, for joins too
MAX_FCNT_GAP = const(16384)  # not applied from 1.0.4 on
ADR_ACK_LIMIT = const(64)
ADR_ACK_DELAY = const(32)
RETRANSMIT_MIN_MS = const(1000)
RETRANSMIT_MAX_MS = const(3000)

MAX_EIRP_DBM = const(16)
MAX_TX_POWER = const(7)
KEEP = const(15)  # data rate or power of a LinkADRReq: leave as it is (1.0.4)

# (lowest, highest frequency, duty cycle in 1/1000, highest EIRP in 1/100 dBm)
SUB_BANDS = (
    (863000000, 865000000, 1, 1615),  # K
    (865000000, 868000000, 10, 1615),  # L
    (868000000, 868600000, 10, 1615),  # M
    (868700000, 869200000, 1, 1615),  # N
    (869400000, 869650000, 100, 2915),  # P
    (869700000, 870000000, 10, 1615),  # R
)
SUB_BAND_NAMES = "KLMNPR"

# (hours since the first attempt, microseconds on air allowed until then); afterwards per 24 hours.
JOIN_BACK_OFF = ((1, 36000000), (11, 36000000))
JOIN_BACK_OFF_DAILY_US = const(8700000)


def modulation(dr: int) -> tuple[int, int]:
    """Return (sf, bw_khz) of a data rate; WireError for one that is not LoRa here."""
    if not MIN_DR <= dr <= MAX_DR:
        raise WireError("dr", str(dr) + " is outside 0..6")
    return DATA_RATES[dr][:2]


def data_rate(sf: int, bw_khz: int) -> int | None:
    """Return the data rate of a modulation, or None."""
    for dr in range(len(DATA_RATES)):
        if DATA_RATES[dr][:2] == (sf, bw_khz):
            return dr
    return None


def max_payload(dr: int, fopts_length: int = 0) -> int:
    """Return how many application bytes fit at a data rate beside FOpts of this length (may be below 0)."""
    modulation(dr)
    return DATA_RATES[dr][2] - 8 - fopts_length


def max_phy(dr: int) -> int:
    """Return the longest PHYPayload at a data rate (MHDR and MIC included)."""
    modulation(dr)
    return DATA_RATES[dr][2] + 5


def rx1_data_rate(uplink_dr: int, offset: int) -> int:
    """Return the data rate of RX1."""
    if not 0 <= offset <= MAX_RX1_DR_OFFSET:
        raise WireError("rx1_dr_offset", str(offset) + " is outside 0..5")
    return max(uplink_dr - offset, MIN_DR)


def eirp_dbm(tx_power: int) -> int:
    """Return the EIRP of a TXPower index."""
    if not 0 <= tx_power <= MAX_TX_POWER:
        raise WireError("tx_power", str(tx_power) + " is outside 0..7")
    return MAX_EIRP_DBM - 2 * tx_power


def sub_band(freq_hz: int) -> int | None:
    """Return the index in SUB_BANDS of a frequency, or None in a gap or outside: not to be used."""
    for i in range(len(SUB_BANDS)):
        if SUB_BANDS[i][0] <= freq_hz < SUB_BANDS[i][1]:
            return i
    return None
