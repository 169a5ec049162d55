"""What wire.lorawan makes of vectors, on both Pythons. Each case is [operation, arguments...]."""

import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0] if "/" in __file__ else ".")

from aes_ecb import ecb, inverse

from wire.errors import WireError
from wire.lorawan import airtime, cflist, eu868, frames, gpstime, join, keys, maccommands, netcommands
from wire.lorawan.cmac import cmac

_ZERO = "00" * 16


def _cmac(key, message):
    return cmac(ecb(bytes.fromhex(key)), bytes.fromhex(message)).hex()


def _data(phy, nwk, app, fcnt):
    frame = frames.parse_data(bytes.fromhex(phy))
    nwk_ecb = ecb(bytes.fromhex(nwk))
    app_ecb = ecb(bytes.fromhex(app or _ZERO))
    plain = frames.decrypt(nwk_ecb, app_ecb, frame, fcnt)
    rebuilt = frames.build_data(
        nwk_ecb,
        app_ecb,
        frame.mtype,
        frame.dev_addr,
        fcnt,
        frame.fctrl & 0xF0,
        frame.fopts,
        frame.port,
        plain,
    )
    return {
        "mtype": frame.mtype,
        "devaddr": f"{frame.dev_addr:08x}",
        "fctrl": f"{frame.fctrl:02x}",
        "fcnt16": frame.fcnt16,
        "fopts": frame.fopts.hex(),
        "fport": frame.port,
        "mic_ok": frames.mic_ok(nwk_ecb, frame, fcnt),
        "payload": plain.hex(),
        "rebuilt": rebuilt.hex(),
        "uplink": frame.uplink,
        "confirmed": frame.confirmed,
        "ack": frame.ack,
        "adr": frame.adr,
    }


def _join_request(phy, app_key):
    request = join.parse_join_request(bytes.fromhex(phy))
    key = ecb(bytes.fromhex(app_key))
    return {
        "joineui": request.join_eui.hex(),
        "deveui": request.dev_eui.hex(),
        "devnonce": request.dev_nonce,
        "mic_ok": join.join_request_mic_ok(key, request),
        "rebuilt": join.build_join_request(key, request.join_eui, request.dev_eui, request.dev_nonce).hex(),
    }


def _join_accept(phy, app_key, dev_nonce):
    key = bytes.fromhex(app_key)
    accept = join.open_join_accept(ecb(key), bytes.fromhex(phy))
    nwk, app = keys.session_keys(ecb(key), accept.join_nonce, accept.net_id, dev_nonce)
    return {
        "joinnonce": accept.join_nonce,
        "netid": f"{accept.net_id:06x}",
        "devaddr": f"{accept.dev_addr:08x}",
        "rx1_dr_offset": accept.rx1_dr_offset,
        "rx2_dr": accept.rx2_dr,
        "rx_delay_s": accept.rx_delay_s,
        "cflist": accept.cflist.hex(),
        "nwkskey": nwk.hex(),
        "appskey": app.hex(),
        "rebuilt": join.build_join_accept(ecb(key), inverse(key), accept).hex(),
    }


def _build_join_accept(app_key, fields, cflist_hex):
    key = bytes.fromhex(app_key)
    accept = join.JoinAccept(*fields, cflist=bytes.fromhex(cflist_hex))
    return join.build_join_accept(ecb(key), inverse(key), accept).hex()


def _mac(name, *args):
    args = [bytes.fromhex(a) if isinstance(a, str) else a for a in args]
    module = maccommands if hasattr(maccommands, name) else netcommands
    result = getattr(module, name)(*args)
    return result.hex() if isinstance(result, bytes) else result


def _split(data, uplink):
    return [[cid, payload.hex()] for cid, payload in maccommands.split(bytes.fromhex(data), uplink)]


OPERATIONS = {
    "cmac": _cmac,
    "data": _data,
    "join_request": _join_request,
    "join_accept": _join_accept,
    "build_join_accept": _build_join_accept,
    "mac": _mac,
    "split": _split,
    "cflist_unpack": lambda data: cflist.unpack(bytes.fromhex(data)),
    "cflist_frequencies": lambda hz: cflist.pack_frequencies(hz).hex(),
    "cflist_masks": lambda masks: cflist.pack_masks(masks).hex(),
    "gps_ms": gpstime.gps_ms,
    "unix_ms": gpstime.unix_ms,
    "airtime": airtime.time_on_air_us,
    "full_fcnt": frames.full_fcnt,
    "modulation": eu868.modulation,
    "data_rate": eu868.data_rate,
    "max_payload": eu868.max_payload,
    "max_phy": eu868.max_phy,
    "rx1_data_rate": eu868.rx1_data_rate,
    "eirp_dbm": eu868.eirp_dbm,
    "sub_band": eu868.sub_band,
    "constant": lambda name: getattr(eu868, name),
    "message_type": lambda phy: frames.message_type(bytes.fromhex(phy)),
}


def run(cases):
    """Return one result a case; a WireError becomes {"error": field}."""
    results = []
    for case in cases:
        try:
            results.append(OPERATIONS[case[0]](*case[1:]))
        except WireError as error:
            results.append({"error": error.field})
    return results
