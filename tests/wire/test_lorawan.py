"""LoRaWAN frames, keys and MAC commands against published vectors, on both Pythons."""

from __future__ import annotations

import csv
import datetime
import json

import pytest

from tests.dual import run_on_both

pytestmark = pytest.mark.mpy


@pytest.fixture(scope="session")
def vectors(shared):
    return json.loads(shared("vectors/lorawan.json").read_text())


@pytest.fixture(scope="session")
def region(shared):
    return json.loads(shared("vectors/region/eu868.json").read_text())


def test_cmac_equals_rfc4493(vectors):
    table = vectors["aes_cmac_rfc4493"]
    cases = [["cmac", table["key"], table["msg"][: 2 * int(n)]] for n in table["tags"]]
    assert run_on_both("lorawan", cases) == list(table["tags"].values())


def _check_data(got, phy, expect):
    fcnt = expect["fcnt"]
    for name in ("mtype", "devaddr", "fctrl", "fopts", "fport", "mic_ok"):
        assert got[name] == expect[name], name
    assert got["fcnt16"] == fcnt & 0xFFFF
    if "payload" in expect:
        assert got["payload"] == expect["payload"]
    assert (got["rebuilt"] == phy) is expect["mic_ok"]
    assert got["uplink"] is (expect["mtype"] in (2, 4))
    assert got["confirmed"] is (expect["mtype"] in (4, 5))
    assert got["ack"] is bool(int(expect["fctrl"], 16) & 0x20)
    assert got["adr"] is bool(int(expect["fctrl"], 16) & 0x80)


def test_published_data_frames_decode_and_build_again(vectors):
    frames = [f for f in vectors["frames"] if f["kind"] == "data"]
    assert len(frames) == 12
    cases = [["data", f["phy"], f["nwkskey"], f.get("appskey"), f["expect"]["fcnt"]] for f in frames]
    for frame, got in zip(frames, run_on_both("lorawan", cases), strict=True):
        _check_data(got, frame["phy"], frame["expect"])


def test_published_join_requests(vectors):
    frames = [f for f in vectors["frames"] if f["kind"] == "join_request"]
    assert len(frames) == 6
    results = run_on_both("lorawan", [["join_request", f["phy"], f["appkey"]] for f in frames])
    for frame, got in zip(frames, results, strict=True):
        rebuilt = got.pop("rebuilt")
        assert got == frame["expect"]
        assert (rebuilt == frame["phy"]) is frame["expect"]["mic_ok"]


def test_published_join_accepts_and_session_keys(vectors):
    frames = [f for f in vectors["frames"] if f["kind"] == "join_accept"]
    assert len(frames) == 7
    results = run_on_both(
        "lorawan", [["join_accept", f["phy"], f["appkey"], f.get("devnonce", 0)] for f in frames]
    )
    for frame, got in zip(frames, results, strict=True):
        expect = frame["expect"]
        for name in ("joinnonce", "netid", "devaddr", "cflist"):
            assert got[name] == expect[name], name
        assert got["rx1_dr_offset"] << 4 | got["rx2_dr"] == expect["dlsettings"]
        assert got["rx_delay_s"] == max(expect["rxdelay"], 1)
        if "nwkskey" in expect:
            assert (got["nwkskey"], got["appskey"]) == (expect["nwkskey"], expect["appskey"])
        if expect["rxdelay"]:  # 0 is read as one second and written as 1
            assert got["rebuilt"] == frame["phy"]


def test_whole_otaa_session(vectors):
    session = vectors["otaa_session"]
    accept = [session["joinnonce"], int(session["netid"], 16), int(session["devaddr"], 16), 0, 3, 5]
    cases = [
        ["join_request", session["joinrequest"], session["appkey"]],
        ["join_accept", session["joinaccept_air"], session["appkey"], session["devnonce"]],
        ["build_join_accept", session["appkey"], accept, session["cflist"]],
    ]
    cases += [
        ["data", f["phy"], session["nwkskey"], session["appskey"], f["expect"]["fcnt"]]
        for f in session["frames"]
    ]
    request, accepted, built, *data = run_on_both("lorawan", cases)
    assert request["mic_ok"] and request["rebuilt"] == session["joinrequest"]
    assert (request["joineui"], request["deveui"]) == (session["joineui"], session["deveui"])
    assert built == accepted["rebuilt"] == session["joinaccept_air"]
    assert (accepted["nwkskey"], accepted["appskey"]) == (session["nwkskey"], session["appskey"])
    assert accepted["rx_delay_s"] == session["rxdelay_s"] and accepted["rx2_dr"] == session["rx2_dr"]
    for frame, got in zip(session["frames"], data, strict=True):
        _check_data(got, frame["phy"], frame["expect"])


def test_cflist(vectors):
    table = vectors["cflist_eu868"]
    # Type 1: channel masks of 16 bits and 1 in the last byte (RP002: CFListType 1), made by hand.
    masks = "07000100ff00" + "0000" * 3 + "000000" + "01"
    cases = [
        ["cflist_unpack", table["bytes"]],
        ["cflist_frequencies", table["hz"]],
        ["cflist_unpack", masks],
        ["cflist_masks", [7, 1, 0xFF]],
        ["cflist_unpack", "00" * 15 + "02"],
        ["cflist_unpack", "00" * 15],
        ["cflist_frequencies", [868100050]],
        ["cflist_frequencies", [868100000] * 6],
        ["cflist_masks", [0x10000]],
    ]
    assert run_on_both("lorawan", cases) == [
        [0, table["hz"]],
        table["bytes"],
        [1, [7, 1, 0xFF, 0, 0, 0]],
        masks,
        {"error": "cflist"},
        {"error": "cflist"},
        {"error": "frequency"},
        {"error": "cflist"},
        {"error": "cflist"},
    ]


def test_gps_time(vectors):
    pairs = [
        (int(datetime.datetime.fromisoformat(utc.replace("Z", "+00:00")).timestamp()) * 1000, gps)
        for utc, gps in vectors["gps_time"]["pairs_utc_gps"]
    ]
    cases = [["unix_ms", gps] for _, gps in pairs] + [["gps_ms", unix] for unix, _ in pairs]
    # the session vector: 1436486418 s + 128/256 s; and a whole second around 2017-01-01 (IERS Bulletin C 52)
    cases += [["unix_ms", 1436486418, 128], ["gps_ms", 1483228799000], ["gps_ms", 1483228800000]]
    got = run_on_both("lorawan", cases)
    assert got[:4] == [unix for unix, _ in pairs]
    assert got[4:8] == [gps * 1000 for _, gps in pairs]
    assert got[8] == pairs[1][0] + 500
    assert got[10] - got[9] == 2000


def test_data_rates_payloads_and_power(region):
    lora = [row for row in region["data_rates"] if row["mod"] == "LORA"]
    cases = [["modulation", r["dr"]] for r in lora]
    cases += [["max_payload", r["dr"]] for r in lora]
    cases += [["max_phy", r["dr"]] for r in lora]
    cases += [["data_rate", r["sf"], r["bw_khz"]] for r in lora]
    cases += [["eirp_dbm", int(n)] for n in region["tx_power_eirp_dbm"]]
    expect = [[r["sf"], r["bw_khz"]] for r in lora] + [r["N"] for r in lora] + [r["M"] + 5 for r in lora]
    expect += [r["dr"] for r in lora] + list(region["tx_power_eirp_dbm"].values())
    assert run_on_both("lorawan", cases) == expect


def test_rx1_offsets_delays_and_channels(region):
    table = [
        (int(dr), offset, rx1)
        for dr, row in region["rx1_dr_offset"].items()
        for offset, rx1 in enumerate(row)
    ]
    cases = [["rx1_data_rate", dr, offset] for dr, offset, _ in table] + [["rx1_data_rate", 5, 6]]
    assert run_on_both("lorawan", cases) == [rx1 for *_, rx1 in table] + [{"error": "rx1_dr_offset"}]
    delays = region["delays"]
    constants = {
        "RECEIVE_DELAY1_S": delays["RECEIVE_DELAY1_s"],
        "JOIN_ACCEPT_DELAY1_S": delays["JOIN_ACCEPT_DELAY1_s"],
        "MAX_FCNT_GAP": delays["MAX_FCNT_GAP"],
        "ADR_ACK_LIMIT": delays["ADR_ACK_LIMIT"],
        "ADR_ACK_DELAY": delays["ADR_ACK_DELAY"],
        "JOIN_CHANNELS_HZ": region["join_channels_hz"],
        "EXTRA_CHANNELS_HZ": region["ttn_extra_channels_hz"],
        "MAX_CHANNELS": region["max_channels"],
        "RX2_FREQ_HZ": region["rx2_default"]["freq_hz"],
        "RX2_DR": region["rx2_default"]["dr"],
        "MAX_EIRP_DBM": region["tx_power_max_eirp_default_dbm"],
        "MIN_FREQ_HZ": region["freq_range_hz"][0],
        "MAX_FREQ_HZ": region["freq_range_hz"][1],
        "JOIN_BACK_OFF_DAILY_US": 8_700_000,
        "JOIN_BACK_OFF": [[1, 36_000_000], [11, 36_000_000]],
    }
    assert run_on_both("lorawan", [["constant", name] for name in constants]) == list(constants.values())


def test_sub_bands(shared):
    with shared("vectors/region/eu868_sub_bands.csv").open() as file:
        rows = list(csv.DictReader(file))
    names, bands = run_on_both("lorawan", [["constant", "SUB_BAND_NAMES"], ["constant", "SUB_BANDS"]])
    assert list(names) == [row["band"] for row in rows]
    for row, (low, high, permille, eirp_centi_dbm) in zip(rows, bands, strict=True):
        assert (low, high) == (int(row["lo_hz"]), int(row["hi_hz"]))
        assert permille == round(float(row["duty"]) * 1000)
        assert eirp_centi_dbm == round(float(row["max_eirp_dbm"]) * 100)
    middles = [["sub_band", (low + high) // 2] for low, high, *_ in bands]
    gaps = [["sub_band", hz] for hz in (868_650_000, 869_300_000, 869_670_000, 862_900_000, 870_100_000)]
    assert run_on_both("lorawan", middles + gaps) == [0, 1, 2, 3, 4, 5] + [None] * 5


def test_time_on_air_equals_four_implementations(shared, vectors):
    with shared("vectors/region/time_on_air.csv").open() as file:
        rows = list(csv.DictReader(file))
    cases = [["airtime", int(r["sf"]), 125, int(r["phy_bytes"])] for r in rows]
    for row, got in zip(rows, run_on_both("lorawan", cases), strict=True):
        for source in ("formula_us", "brocaar_us", "liblora_us", "pamoja_us"):
            assert abs(got - float(row[source])) <= 1
    rows = vectors["time_on_air"]["rows"]
    cases = [["airtime", r["sf"], r["bw_hz"] // 1000, r["phy_bytes"], r["crc"]] for r in rows]
    assert run_on_both("lorawan", cases) == [r["us"] for r in rows]


def test_frame_counter_continues_over_the_16_bit_edge():
    cases = [
        ["full_fcnt", -1, 0],
        ["full_fcnt", -1, 65535],
        ["full_fcnt", 0, 0],
        ["full_fcnt", 5, 6],
        ["full_fcnt", 5, 5],
        ["full_fcnt", 65535, 0],
        ["full_fcnt", 0x1FFFE, 0xFFFF],
        ["full_fcnt", 0xFFFFFFFE, 0xFFFF],
        ["full_fcnt", 0xFFFFFFFF, 0],
    ]
    assert run_on_both("lorawan", cases) == [0, 65535, 65536, 6, 65541, 65536, 0x1FFFF, 0xFFFFFFFF, None]


@pytest.mark.parametrize(
    ("phy", "field"),
    [
        ("", "phy"),
        ("40", "phy"),
        ("40f17dbe490002000195437", "phy"),
        ("4040302010000000000000", "phy"),
        ("41f17dbe4900020001954378762b11ff0d", "major"),
        ("00f17dbe4900020001954378762b11ff0d", "mtype"),
        ("e0f17dbe4900020001954378762b11ff0d", "mtype"),
        ("40f17dbe490f02000195437876", "fopts"),
        ("40f17dbe4901020002001b2c3d4e", "fport"),
        ("40" * 256, "phy"),
    ],
)
def test_broken_structure_is_named(phy, field):
    phy = phy[: len(phy) // 2 * 2]
    assert run_on_both("lorawan", [["data", phy, "00" * 16, "00" * 16, 0]]) == [{"error": field}]
