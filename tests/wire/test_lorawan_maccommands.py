"""MAC commands of both directions against PyPI `liblora` 0.0.3 (Basic MAC's Python side), on both Pythons."""

from __future__ import annotations

import random

import loraopts
import pytest

from tests.dual import run_on_both

pytestmark = pytest.mark.mpy

U = (0, 255)
# command: (liblora class, our pack, our unpack, [(our argument range, liblora's field)] in our order)
COMMANDS = [
    ("LinkCheckReq", "link_check_req", []),
    ("LinkCheckAns", "link_check_ans", [((0, 254), "Margin"), (U, "GwCnt")]),
    (
        "LinkADRReq",
        "link_adr_req",
        [
            ((0, 15), "DR"),
            ((0, 15), "TXPow"),
            ((0, 65535), "ChMask"),
            ((0, 7), "ChMaskCntl"),
            ((0, 15), "NbTrans"),
        ],
    ),
    ("DutyCycleReq", "duty_cycle_req", [((0, 15), "MaxDC")]),
    ("DutyCycleAns", "duty_cycle_ans", []),
    ("RXParamSetupReq", "rx_param_setup_req", [((0, 7), "RX1DRoff"), ((0, 15), "RX2DR"), ("freq", "Freq")]),
    ("DevStatusReq", "dev_status_req", []),
    ("DevStatusAns", "dev_status_ans", [(U, "Batt"), ((-32, 31), "Margin")]),
    (
        "NewChannelReq",
        "new_channel_req",
        [(U, "Chnl"), ("freq", "Freq"), ((0, 15), "MinDR"), ((0, 15), "MaxDR")],
    ),
    ("RXTimingSetupReq", "rx_timing_setup_req", [((1, 15), "Delay")]),
    ("RXTimingSetupAns", "rx_timing_setup_ans", []),
    (
        "TXParamSetupReq",
        "tx_param_setup_req",
        [((0, 1), "DnDwell"), ((0, 1), "UpDwell"), ((0, 15), "MaxEIRP")],
    ),
    ("TXParamSetupAns", "tx_param_setup_ans", []),
    ("DlChannelReq", "dl_channel_req", [(U, "Chnl"), ("freq", "Freq")]),
    ("DeviceTimeReq", "device_time_req", []),
]
ANSWERS = [  # bits, lowest first
    ("LinkADRAns", "link_adr_ans", ["ChAck", "DRAck", "TXPowAck"]),
    ("RXParamSetupAns", "rx_param_setup_ans", ["FreqAck", "RX2DRAck", "RX1DRoffAck"]),
    ("NewChannelAns", "new_channel_ans", ["ChnlAck", "DRAck"]),
    ("DlChannelAns", "dl_channel_ans", ["FreqAck", "ChnlAck"]),
]


def _encoded(name: str, fields: dict[str, int]) -> str:
    return loraopts.pack_opts([getattr(loraopts, name)(**fields)]).hex()


def _draw(rng: random.Random, kind) -> int:
    return rng.randrange(0, 1 << 24) if kind == "freq" else rng.randint(*kind)


@pytest.mark.parametrize(("name", "ours", "arguments"), COMMANDS, ids=[c[0] for c in COMMANDS])
def test_a_command_packs_and_unpacks_as_liblora_does(name, ours, arguments):
    rng = random.Random(name)
    cases, expected = [], []
    for _ in range(20 if arguments else 1):
        raw = [_draw(rng, kind) for kind, _ in arguments]
        values = [v * 100 if kind == "freq" else v for v, (kind, _) in zip(raw, arguments, strict=True)]
        theirs = _encoded(name, {field: v for v, (_, field) in zip(raw, arguments, strict=True)})
        cases.append(["mac", "pack_" + ours, *values])
        expected.append(theirs)
        if arguments:
            cases.append(["mac", "unpack_" + ours, theirs[2:]])
            expected.append(values[0] if len(values) == 1 else values)
    assert run_on_both("lorawan", cases) == expected


@pytest.mark.parametrize(("name", "ours", "bits"), ANSWERS, ids=[a[0] for a in ANSWERS])
def test_answer_bits_stand_where_liblora_puts_them(name, ours, bits):
    cases, expected = [], []
    for value in range(1 << len(bits)):
        theirs = _encoded(name, {field: value >> i & 1 for i, field in enumerate(bits)})
        cases += [["mac", "pack_" + ours, value], ["mac", "unpack_bits", theirs[2:]]]
        expected += [theirs, value]
    assert run_on_both("lorawan", cases) == expected


def test_bytes_of_the_reference():
    """Published bytes: brocaar/lorawan and LoRaMac-node tests, and the session of lorawan.json."""
    cases = [
        ["mac", "unpack_link_check_ans", "0a0f"],
        ["mac", "unpack_link_adr_req", "52ff0001"],
        ["mac", "unpack_link_adr_req", "12040045"],
        ["mac", "pack_device_time_ans", 1436486418, 128],
        ["mac", "unpack_device_time_ans", "120b9f5580"],
        ["split", "0d120b9f5580", False],
        ["split", "0352ff0001", False],
    ]
    assert run_on_both("lorawan", cases) == [
        [10, 15],
        [5, 2, 0x00FF, 0, 1],
        [1, 2, 0x0004, 4, 5],
        "0d120b9f5580",
        [1436486418, 128],
        [[0x0D, "120b9f5580"]],
        [[0x03, "52ff0001"]],
    ]


def test_an_rx_timing_of_zero_means_one_second():
    assert run_on_both("lorawan", [["mac", "unpack_rx_timing_setup_req", "00"]]) == [1]


@pytest.mark.parametrize("uplink", [True, False])
def test_a_sequence_splits_as_liblora_splits_it(uplink):
    rng = random.Random(uplink)
    ends = ("Ans", "Req")
    if uplink:
        names = [
            n
            for n in (c[0] for c in COMMANDS + ANSWERS)
            if n in ("LinkCheckReq", "DeviceTimeReq") or n.endswith(ends[0])
        ]
        names.remove("LinkCheckAns")
    else:
        names = [
            c[0] for c in COMMANDS if c[0].endswith(ends[1]) and c[0] not in ("LinkCheckReq", "DeviceTimeReq")
        ]
        names.append("LinkCheckAns")
    cases, expected = [], []
    for _ in range(20):
        options = [getattr(loraopts, rng.choice(names))() for _ in range(rng.randint(1, 5))]
        packed = [loraopts.pack_opts([option]) for option in options]
        cases.append(["split", b"".join(packed).hex(), uplink])
        expected.append([[p[0], p[1:].hex()] for p in packed])
    assert run_on_both("lorawan", cases) == expected


def test_an_unknown_or_cut_command_ends_the_sequence_and_keeps_what_stood_before():
    cases = [
        ["split", "0d" + "ff" + "02", True],
        ["split", "02" + "06ff", True],
        ["split", "80", False],
        ["split", "", False],
        ["split", "0352ff", False],
    ]
    assert run_on_both("lorawan", cases) == [[[0x0D, ""]], [[0x02, ""]], [], [], []]


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (["pack_link_check_ans", 255, 0], "margin_db"),
        (["pack_link_adr_req", 16, 0, 0], "dr"),
        (["pack_link_adr_req", 0, 16, 0], "tx_power"),
        (["pack_link_adr_req", 0, 0, 0x10000], "mask"),
        (["pack_link_adr_req", 0, 0, 0, 8], "mask_control"),
        (["pack_link_adr_req", 0, 0, 0, 0, -1], "nb_trans"),
        (["pack_dev_status_ans", 256, 0], "battery"),
        (["pack_dev_status_ans", 0, 32], "margin_db"),
        (["pack_new_channel_req", 3, 867_100_050, 0, 5], "frequency"),
        (["pack_dl_channel_req", 3, -100], "frequency"),
        (["pack_device_time_ans", 0, 256], "fraction"),
        (["unpack_link_adr_req", "0000"], "link_adr"),
        (["unpack_bits", "0000"], "answer"),
    ],
)
def test_values_that_do_not_fit_are_named(call, field):
    assert run_on_both("lorawan", [["mac", *call]]) == [{"error": field}]
