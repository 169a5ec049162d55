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
