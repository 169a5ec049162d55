// Meetnet payload codec for LoRaWAN network servers (LoRa Alliance TS013).
// SPDX-License-Identifier: Apache-2.0
// Written by tools/ts013.py from the tables of firmware/wire: change those, not this file.

var VERSION = 1;
var MAX_PAYLOAD = 4096;
var UTC_FROM_S = 1704067200;
var STEP_BITS = 18;
var ABSENT = 15;
var MAX_CHANNELS = 32;
var FIRST_ERROR = 8;
var PORT_RECORDS = 1;
var PORT_STATUS = 2;
var PORT_COMMANDS = 3;
var STATUS_VERSION = 1;
var STATUS_WITH_BLOCKS = 2;
var STATUS_FIXED = 28;
var MAX_SENSORS = 12;
var GET = 1;
var VALUES = 2;
var SET = 3;
var RESULT = 4;
var MAX_GET = 9;
var MAX_SET = 9;
var SEND_RECORDS = 32;
var RECORDS_GONE = 33;
var NEVER_GIVEN = 34;
var MAX_RANGES = 8;
var OUTCOMES = {
  "0": "on_trial",
  "1": "kept",
  "2": "reverted",
  "3": "unknown_key",
  "4": "out_of_range",
  "5": "busy",
  "6": "storage"
};
var KEYS = [[1, "interval_s", 10, 86400], [2, "confirm_every", 1, 255], [3, "status_s", 600, 604800], [4, "time_s", 600, 604800], [5, "drift_ok_s", 3600, 2592000], [6, "battery_low_mv", 0, 20000], [7, "noise_s", 0, 3600], [8, "noise_offset_centidb", -2000, 2000], [9, "batch", 1, 48], [10, "parity_percent", 0, 150], [11, "codec", 1, 2]];
var MEASUREMENTS = {
  "1": {"name": "pm1", "unit": "ug/m3", "decimals": 1, "min": 0, "max": 10000},
  "2": {"name": "pm2_5", "unit": "ug/m3", "decimals": 1, "min": 0, "max": 10000},
  "3": {"name": "pm4", "unit": "ug/m3", "decimals": 1, "min": 0, "max": 10000},
  "4": {"name": "pm10", "unit": "ug/m3", "decimals": 1, "min": 0, "max": 10000},
  "5": {"name": "temperature", "unit": "Cel", "decimals": 2, "min": -4500, "max": 13000},
  "6": {"name": "relative_humidity", "unit": "%", "decimals": 1, "min": 0, "max": 1000},
  "7": {"name": "laeq", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "8": {"name": "lafmax", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "9": {"name": "lafmin", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "10": {"name": "la10", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "11": {"name": "la50", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "12": {"name": "la90", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "13": {"name": "lceq", "unit": "dB(C)", "decimals": 1, "min": 0, "max": 1500},
  "14": {"name": "lcpeak", "unit": "dB(C)", "decimals": 1, "min": 0, "max": 1600},
  "15": {"name": "distance", "unit": "mm", "decimals": 0, "min": 0, "max": 10000},
  "16": {"name": "rain_tips", "unit": "1", "decimals": 0, "min": 0, "max": 65535},
  "17": {"name": "battery", "unit": "mV", "decimals": 0, "min": 0, "max": 20000},
  "18": {"name": "pressure", "unit": "hPa", "decimals": 1, "min": 3000, "max": 11000},
  "19": {"name": "co2", "unit": "ppm", "decimals": 0, "min": 0, "max": 40000},
  "20": {"name": "voc_index", "unit": "1", "decimals": 1, "min": 0, "max": 5000},
  "21": {"name": "nox_index", "unit": "1", "decimals": 1, "min": 0, "max": 5000},
  "22": {"name": "sraw_voc", "unit": "1", "decimals": 0, "min": 0, "max": 65535},
  "23": {"name": "sraw_nox", "unit": "1", "decimals": 0, "min": 0, "max": 65535},
  "24": {"name": "soil_temperature", "unit": "Cel", "decimals": 2, "min": -5500, "max": 12500},
  "25": {"name": "soil_moisture", "unit": "%", "decimals": 1, "min": 0, "max": 1000},
  "26": {"name": "solar", "unit": "mV", "decimals": 0, "min": 0, "max": 32000},
  "27": {"name": "current", "unit": "mA", "decimals": 1, "min": -32000, "max": 32000},
  "28": {"name": "tilt", "unit": "deg", "decimals": 1, "min": 0, "max": 1800},
  "29": {"name": "la1", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "30": {"name": "la95", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "31": {"name": "la99", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "32": {"name": "lasmax", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "33": {"name": "lzeq", "unit": "dB", "decimals": 1, "min": 0, "max": 1500},
  "34": {"name": "sound_notes", "unit": "1", "decimals": 0, "min": 0, "max": 15},
  "35": {"name": "laeq_1s", "unit": "dB(A)", "decimals": 1, "min": 0, "max": 1500},
  "40": {"name": "pm2_5_min", "unit": "ug/m3", "decimals": 1, "min": 0, "max": 10000},
  "41": {"name": "pm2_5_max", "unit": "ug/m3", "decimals": 1, "min": 0, "max": 10000},
  "42": {"name": "pm2_5_deviation", "unit": "ug/m3", "decimals": 1, "min": 0, "max": 10000},
  "43": {"name": "samples", "unit": "1", "decimals": 0, "min": 0, "max": 255},
  "44": {"name": "health", "unit": "1", "decimals": 0, "min": 0, "max": 255},
  "45": {"name": "distance_light", "unit": "mm", "decimals": 0, "min": 0, "max": 10000},
  "46": {"name": "fill_volume", "unit": "L", "decimals": 0, "min": 0, "max": 20000},
  "47": {"name": "lid_openings", "unit": "1", "decimals": 0, "min": 0, "max": 65535},
  "48": {"name": "events", "unit": "1", "decimals": 0, "min": 0, "max": 255},
  "49": {"name": "passages", "unit": "1", "decimals": 0, "min": 0, "max": 65535},
  "50": {"name": "dew_point", "unit": "Cel", "decimals": 2, "min": -10000, "max": 10000},
  "51": {"name": "gas_resistance", "unit": "Ohm", "decimals": 0, "min": 0, "max": 100000000},
  "64": {"name": "lzeq_12_5hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "65": {"name": "lzeq_16hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "66": {"name": "lzeq_20hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "67": {"name": "lzeq_25hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "68": {"name": "lzeq_31_5hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "69": {"name": "lzeq_40hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "70": {"name": "lzeq_50hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "71": {"name": "lzeq_63hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "72": {"name": "lzeq_80hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "73": {"name": "lzeq_100hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "74": {"name": "lzeq_125hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "75": {"name": "lzeq_160hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "76": {"name": "lzeq_200hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "77": {"name": "lzeq_250hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "78": {"name": "lzeq_315hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "79": {"name": "lzeq_400hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "80": {"name": "lzeq_500hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "81": {"name": "lzeq_630hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "82": {"name": "lzeq_800hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "83": {"name": "lzeq_1000hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "84": {"name": "lzeq_1250hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "85": {"name": "lzeq_1600hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "86": {"name": "lzeq_2000hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "87": {"name": "lzeq_2500hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "88": {"name": "lzeq_3150hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "89": {"name": "lzeq_4000hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "90": {"name": "lzeq_5000hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "91": {"name": "lzeq_6300hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "92": {"name": "lzeq_8000hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "93": {"name": "lzeq_10000hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "94": {"name": "lzeq_12500hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "95": {"name": "lzeq_16000hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127},
  "96": {"name": "lzeq_20000hz", "unit": "dB", "decimals": 0, "min": 0, "max": 127}
};
var PROFILES = {
  "1": [1, 2, 3, 4, 5, 6, 17],
  "2": [7, 8, 9, 10, 11, 12, 13, 14, 17],
  "3": [15, 17],
  "4": [5, 6, 16, 17],
  "5": [15, 5, 6, 17],
  "6": [1, 2, 3, 4, 5, 6],
  "7": [7, 8, 9, 10, 11, 12, 13, 14],
  "8": [7, 8, 9, 10, 11, 12, 13, 14, 29, 30, 31, 32, 33, 34],
  "9": [7, 8, 9, 10, 11, 12, 13, 14, 17, 29, 30, 31, 32, 33, 34],
  "10": [35],
  "11": [67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96],
  "20": [5, 6, 16, 17, 50],
  "21": [5, 6, 16, 17, 24, 25, 50],
  "22": [5, 6, 16, 17, 24, 25, 44, 50],
  "23": [1, 2, 3, 4, 5, 6, 40, 41, 42, 43],
  "24": [1, 2, 3, 4, 5, 6, 40, 41, 42, 43, 44],
  "25": [5, 6, 15, 17, 28, 45, 47],
  "26": [5, 6, 15, 17, 28, 45, 46, 47, 48],
  "27": [1, 2, 3, 4, 5, 6, 15, 17, 28, 45, 47, 49],
  "28": [1, 2, 3, 4, 5, 6, 15, 17, 28, 44, 45, 46, 47, 48, 49]
};
var STATES = {
  "0": "ok",
  "1": "warmup",
  "2": "below_floor",
  "3": "overload",
  "4": "degraded",
  "5": "gap",
  "8": "no_answer",
  "9": "timeout",
  "10": "checksum",
  "11": "out_of_range",
  "12": "fault",
  "13": "not_ready"
};
var TIME_QUALITIES = {
  "0": "estimated",
  "1": "drifting",
  "2": "network",
  "3": "ntp"
};
var RESET_CAUSES = {
  "0": "unknown",
  "1": "power_on",
  "2": "hard",
  "3": "watchdog",
  "4": "deep_sleep",
  "5": "soft"
};
var FAILURES = {
  "0": "none",
  "1": "join_no_answer",
  "2": "not_confirmed",
  "3": "radio_fault",
  "4": "wifi_not_found",
  "5": "wifi_wrong_password",
  "6": "wifi_no_address",
  "7": "name_not_found",
  "8": "broker_unreachable",
  "9": "broker_refused",
  "10": "broker_wrong_password",
  "11": "broker_silent",
  "12": "ntp_silent",
  "13": "wifi_no_answer",
  "14": "radio_spi",
  "15": "radio_busy",
  "16": "radio_dio0",
  "17": "radio_dio1",
  "18": "radio_reset",
  "19": "radio_tcxo",
  "20": "radio_pll",
  "21": "radio_calibration",
  "22": "wifi_5ghz_only",
  "23": "wifi_security",
  "24": "captive_portal",
  "25": "dns_silent",
  "26": "tls_refused"
};
var STATUS_FLAGS = {
  "1": "config_defaults",
  "2": "safe_mode",
  "4": "log_fault",
  "8": "log_torn",
  "16": "battery_low",
  "32": "mended",
  "64": "fell_back"
};
function fault(field, message) {
  return { fault: field + ": " + message };
}

function widthOf(span) {
  var width = 0;
  while (span >= 1) { width += 1; span = Math.floor(span / 2); }
  return width;
}

function reader(bytes) {
  var at = 0; // bits read
  return {
    left: function () { return 8 * bytes.length - at; },
    read: function (width) {
      if (width > 8 * bytes.length - at) throw fault("length", "payload ends inside a field");
      var value = 0;
      while (width > 0) {
        var inByte = 8 - (at % 8);
        var take = Math.min(inByte, width);
        var chunk = (bytes[(at - at % 8) / 8] >> (inByte - take)) & ((1 << take) - 1);
        value = value * (1 << take) + chunk;
        at += take;
        width -= take;
      }
      return value;
    }
  };
}

function channelsOf(bits) {
  var profile = bits.read(8);
  if (profile !== 0) {
    if (!PROFILES[profile]) throw fault("profile", "unknown profile " + profile);
    return PROFILES[profile];
  }
  var n = bits.read(8);
  if (n < 1 || n > MAX_CHANNELS) throw fault("profile", "1.." + MAX_CHANNELS + " channels, not " + n);
  var channels = [];
  for (var i = 0; i < n; i += 1) {
    var channel = bits.read(8);
    if (!MEASUREMENTS[channel]) throw fault("measurement", "unknown id " + channel);
    if (channels.indexOf(channel) >= 0) throw fault("profile", "channel " + channel + " twice");
    channels.push(channel);
  }
  return channels;
}

function readings(bits, channels) {
  var plain = bits.read(1);
  var states = channels.map(function () { return plain ? 0 : bits.read(4); });
  var found = [];
  for (var i = 0; i < channels.length; i += 1) {
    var state = states[i];
    if (state === ABSENT) continue;
    if (STATES[state] === undefined) throw fault("state", "unknown state " + state);
    var row = MEASUREMENTS[channels[i]];
    var reading = { quantity: row.name, unit: row.unit, value: null, raw: 0, state: STATES[state] };
    if (state < FIRST_ERROR) {
      reading.raw = row.min + bits.read(widthOf(row.max - row.min));
      if (reading.raw > row.max) throw fault(row.name, reading.raw + " is above " + row.max);
      reading.value = reading.raw / Math.pow(10, row.decimals);
    }
    found.push(reading);
  }
  if (!found.length) throw fault("readings", "a record without readings");
  return found;
}

function u32(field, value) {
  if (value < 0 || value > 4294967295) throw fault(field, value + " is no unsigned 32-bit number");
  return value;
}

function decodeRecords(bytes) {
  if (!bytes.length) throw fault("length", "empty payload");
  if (bytes[0] >= 128) throw fault("version", "codec version 2 needs the Meetnet gateway: its profiles are not in this file");
  if (bytes[0] !== VERSION) throw fault("version", "unknown codec version " + bytes[0]);
  if (bytes.length > MAX_PAYLOAD) throw fault("length", "payload above " + MAX_PAYLOAD + " bytes");
  var bits = reader(bytes);
  bits.read(8);
  var channels = channelsOf(bits);
  var seq = bits.read(32);
  var time = bits.read(32);
  var quality = bits.read(2);
  var step = 0;
  var records = [{ seq: seq, time: time, quality: quality, readings: readings(bits, channels) }];
  while (bits.read(1)) {
    var skipped = 0;
    if (!bits.read(1)) {
      skipped = bits.read(8);
      step = bits.read(STEP_BITS);
      if (step >= Math.pow(2, STEP_BITS - 1)) step -= Math.pow(2, STEP_BITS);
      quality = bits.read(2);
    }
    seq = u32("seq", seq + skipped + 1);
    time = u32("time_s", time + step);
    records.push({ seq: seq, time: time, quality: quality, readings: readings(bits, channels) });
  }
  var padding = bits.left();
  if (padding > 7 || bits.read(padding)) throw fault("length", "bytes after the last record");
  return records;
}

// Seconds since 1970 become RFC 3339; a clock that was never set counts from the boot, and the newest record
// is then taken as measured when it was received. From 2024 on such a time is UTC after all.
function countsUptime(one) {
  return one.quality === 0 && one.time < UTC_FROM_S;
}

function moments(records, received) {
  var newest = 0;
  records.forEach(function (one) { if (countsUptime(one) && one.time > newest) newest = one.time; });
  return records.map(function (one) {
    if (!countsUptime(one)) return new Date(one.time * 1000).toISOString().replace(".000Z", "Z");
    if (!received) return null;
    return new Date(received - (newest - one.time) * 1000).toISOString();
  });
}

function milliseconds(moment) {
  if (moment === undefined || moment === null) return null;
  var at = moment instanceof Date ? moment.getTime() : new Date(moment).getTime();
  return isNaN(at) ? null : at;
}

function recordsData(bytes, recvTime) {
  var records = decodeRecords(bytes);
  var times = moments(records, milliseconds(recvTime));
  var warnings = [];
  var found = records.map(function (one, i) {
    var values = {};
    var raw = {};
    var states = {};
    var units = {};
    one.readings.forEach(function (reading) {
      values[reading.quantity] = reading.value;
      raw[reading.quantity] = reading.raw;
      states[reading.quantity] = reading.state;
      units[reading.quantity] = reading.unit;
      if (reading.value === null) warnings.push("record " + one.seq + ": " + reading.quantity + " " + reading.state);
    });
    return { seq: one.seq, time: times[i], time_s: one.time, time_quality: TIME_QUALITIES[one.quality],
      values: values, units: units, raw: raw, states: states };
  });
  return { data: { type: "records", version: VERSION, records: found }, warnings: warnings };
}

function big(bytes, at, size) {
  var value = 0;
  for (var i = 0; i < size; i += 1) value = value * 256 + bytes[at + i];
  return value;
}

function statusData(bytes) {
  if (!bytes.length) throw fault("length", "empty payload");
  if (bytes[0] !== STATUS_VERSION && bytes[0] !== STATUS_WITH_BLOCKS) throw fault("version", "unknown status version " + bytes[0]);
  if (bytes.length < STATUS_FIXED) throw fault("length", "shorter than " + STATUS_FIXED + " bytes");
  var n = bytes[STATUS_FIXED - 1];
  var end = STATUS_FIXED + Math.floor((n + 1) / 2);
  if (n > MAX_SENSORS || bytes.length < end || (bytes[0] === STATUS_VERSION && bytes.length > end)) {
    throw fault("length", n + " sensors do not fit the length");
  }
  if (RESET_CAUSES[bytes[4]] === undefined) throw fault("reset_cause", "unknown " + bytes[4]);
  if (FAILURES[bytes[24]] === undefined) throw fault("last_failure", "unknown " + bytes[24]);
  var sensors = [];
  for (var i = 0; i < n; i += 1) {
    var state = (bytes[STATUS_FIXED + (i >> 1)] >> (i % 2 ? 0 : 4)) & 15;
    if (STATES[state] === undefined) throw fault("sensors", "unknown state");
    sensors.push(STATES[state]);
  }
  if (n % 2 && bytes[end - 1] & 15) throw fault("sensors", "unknown state");
  var hash = "";
  for (var j = 8; j < 12; j += 1) hash += ("0" + bytes[j].toString(16)).slice(-2);
  var flags = [];
  Object.keys(STATUS_FLAGS).forEach(function (bit) { if (bytes[7] & Number(bit)) flags.push(STATUS_FLAGS[bit]); });
  var blocks = [];
  for (var at = end; at < bytes.length;) {
    var next = at + 1 < bytes.length ? at + 2 + bytes[at + 1] : at + 2;
    if (next > bytes.length || !bytes[at]) throw fault("length", "payload ends inside a block");
    blocks.push({ kind: bytes[at], hex: hexOf(bytes, at + 2, next) });
    at = next;
  }
  return { data: { type: "status", version: bytes[0], blocks: blocks, firmware: bytes[1] + "." + bytes[2] + "." + bytes[3],
    reset_cause: RESET_CAUSES[bytes[4]], boots: big(bytes, 5, 2), flags: flags, config_hash: hash,
    battery_mv: big(bytes, 12, 2), uptime_s: big(bytes, 14, 4), waiting: big(bytes, 18, 2),
    dropped: big(bytes, 20, 2), failures: big(bytes, 22, 2), last_failure: FAILURES[bytes[24]],
    crashes: bytes[25], time_age_h: bytes[26], sensors: sensors }, warnings: [] };
}

function answer(work) {
  try {
    var found = work();
    return { data: found.data, warnings: found.warnings, errors: [] };
  } catch (error) {
    return { data: {}, warnings: [], errors: [error && error.fault ? error.fault : "codec: " + error] };
  }
}

// {bytes, fPort, recvTime} -> {data, warnings, errors}
function decodeUplink(input) {
  return answer(function () {
    if (!input || !input.bytes || input.bytes.length === undefined) throw fault("bytes", "none were given");
    if (input.fPort === PORT_RECORDS) return recordsData(input.bytes, input.recvTime);
    if (input.fPort === PORT_STATUS) return statusData(input.bytes);
    if (input.fPort === PORT_COMMANDS) return { data: commandData(input.bytes), warnings: [] };
    throw fault("fPort", input.fPort + " is none of ours");
  });
}

function hexOf(bytes, start, end) {
  var hex = "";
  for (var i = start; i < end; i += 1) hex += ("0" + bytes[i].toString(16)).slice(-2);
  return hex;
}

function keyOf(key) {
  for (var i = 0; i < KEYS.length; i += 1) if (KEYS[i][0] === key || KEYS[i][1] === key) return KEYS[i];
  return null;
}

function pairsOf(bytes, start, most) {
  var n = Math.floor((bytes.length - start) / 5);
  if ((bytes.length - start) % 5 || n > most) throw fault("length", bytes.length + " bytes hold no whole pairs");
  var pairs = [];
  for (var at = start; at < bytes.length; at += 5) {
    var value = big(bytes, at + 1, 4);
    var row = keyOf(bytes[at]);
    pairs.push({ number: bytes[at], name: row ? row[1] : null, value: value >= 2147483648 ? value - 4294967296 : value });
  }
  return pairs;
}

function rangesOf(bytes) {
  var n = (bytes.length - 1) / 6;
  if (n % 1 || n < 1 || n > MAX_RANGES) throw fault("length", bytes.length + " bytes are no list of ranges");
  var ranges = [];
  for (var at = 1; at < bytes.length; at += 6) {
    var first = big(bytes, at, 4);
    var count = big(bytes, at + 4, 2);
    if (!count) throw fault("ranges", "an empty range");
    ranges.push([first, first + count]);
  }
  return ranges;
}

function commandData(bytes) {
  var kind = bytes[0];
  if (kind === GET) {
    if (bytes.length < 3 || bytes.length > 2 + MAX_GET) throw fault("length", "no GET of 1.." + MAX_GET + " keys");
    var keys = [];
    for (var i = 2; i < bytes.length; i += 1) keys.push(keyOf(bytes[i]) ? keyOf(bytes[i])[1] : bytes[i]);
    return { type: "get", token: bytes[1], keys: keys };
  }
  if (kind === SET) {
    if (bytes.length < 8 || !bytes[2]) throw fault("length", "no SET");
    return { type: "set", token: bytes[1], trial_min: bytes[2], values: pairsOf(bytes, 3, MAX_SET) };
  }
  if (kind === SEND_RECORDS) return { type: "send_records", ranges: rangesOf(bytes) };
  if (kind === VALUES) {
    if (bytes.length < 6) throw fault("length", "no VALUES");
    return { type: "values", token: bytes[1], config_hash: hexOf(bytes, 2, 6), values: pairsOf(bytes, 6, MAX_GET) };
  }
  if (kind === RESULT) {
    if (bytes.length !== 8) throw fault("length", "no RESULT");
    if (OUTCOMES[bytes[2]] === undefined) throw fault("outcome", "unknown " + bytes[2]);
    return { type: "result", token: bytes[1], outcome: OUTCOMES[bytes[2]], key: bytes[3], config_hash: hexOf(bytes, 4, 8) };
  }
  if (kind === RECORDS_GONE) return { type: "records_gone", ranges: rangesOf(bytes) };
  if (kind === NEVER_GIVEN) return { type: "never_given", ranges: rangesOf(bytes) };
  throw fault("command", "no command of ours");
}

function whole(field, value, low, high) {
  if (typeof value !== "number" || Math.floor(value) !== value || value < low || value > high) {
    throw fault(field, value + " is outside " + low + ".." + high);
  }
  return value;
}

function put(out, value, size) {
  for (var i = size - 1; i >= 0; i -= 1) out.push(Math.floor(value / Math.pow(256, i)) % 256);
}

function known(name) {
  var row = typeof name === "string" ? keyOf(name) : null;
  if (!row) throw fault(name, "cannot be set or read over the air");
  return row;
}

function commandBytes(data) {
  var out = [];
  if (data.command === "get") {
    if (!Array.isArray(data.keys) || data.keys.length < 1 || data.keys.length > MAX_GET) {
      throw fault("keys", "give 1.." + MAX_GET + " names");
    }
    out.push(GET, whole("token", data.token, 0, 255));
    data.keys.forEach(function (name) { out.push(known(name)[0]); });
    return out;
  }
  if (data.command === "set") {
    var names = Object.keys(data.values || {});
    if (names.length < 1 || names.length > MAX_SET) throw fault("values", "give 1.." + MAX_SET + " of them");
    out.push(SET, whole("token", data.token, 0, 255), whole("trial_min", data.trial_min, 1, 255));
    names.forEach(function (name) {
      var row = known(name);
      var value = whole(name, data.values[name], row[2], row[3]);
      out.push(row[0]);
      put(out, value < 0 ? value + 4294967296 : value, 4);
    });
    return out;
  }
  if (data.command === "send_records") {
    if (!Array.isArray(data.ranges) || data.ranges.length < 1 || data.ranges.length > MAX_RANGES) {
      throw fault("ranges", "give 1.." + MAX_RANGES + " of them");
    }
    out.push(SEND_RECORDS);
    data.ranges.forEach(function (range) {
      var first = whole("ranges", range[0], 0, 4294967295);
      put(out, first, 4);
      put(out, Math.min(whole("ranges", range[1], first + 1, 4294967296) - first, 65535), 2);
    });
    return out;
  }
  throw fault("command", "give get, set or send_records");
}

// {data: {command: "set", token, trial_min, values: {interval_s: 300}}}
// {data: {command: "get", token, keys: ["interval_s"]}}   {data: {command: "send_records", ranges: [[first, end]]}}
function encodeDownlink(input) {
  try {
    return { bytes: commandBytes((input && input.data) || {}), fPort: PORT_COMMANDS, warnings: [], errors: [] };
  } catch (error) {
    return { errors: [error && error.fault ? error.fault : "codec: " + error] };
  }
}

function decodeDownlink(input) {
  return answer(function () {
    if (!input || !input.bytes || input.bytes.length === undefined) throw fault("bytes", "none were given");
    if (input.fPort !== PORT_COMMANDS) throw fault("fPort", input.fPort + " is not " + PORT_COMMANDS + " (commands)");
    return { data: commandData(input.bytes), warnings: [] };
  });
}

if (typeof module !== "undefined" && module.exports) {
  module.exports = { decodeUplink: decodeUplink, encodeDownlink: encodeDownlink, decodeDownlink: decodeDownlink };
}
