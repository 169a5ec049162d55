// For each line on stdin, a JSON list of frames: lets npm `lora-packet` verify and decrypt each, prints a line
// with what it read, or {"error"}.
"use strict";
const packet = require("lora-packet");

const hex = (text) => Buffer.from(text, "hex");
const text = (bytes) => (bytes ? Buffer.from(bytes).toString("hex") : "");

function judge(frame) {
  const read = packet.fromWire(hex(frame.phy));
  if (frame.kind === "join") {
    return {
      mic: packet.verifyMIC(read, undefined, hex(frame.app_key)),
      dev_nonce: Buffer.from(read.DevNonce).readUInt16BE(0),
      dev_eui: text(read.DevEUI),
      join_eui: text(read.AppEUI),
    };
  }
  const high = Buffer.alloc(2);
  high.writeUInt16LE(Math.floor(frame.fcnt / 65536));
  const port = read.getFPort();
  const empty = !read.FRMPayload || read.FRMPayload.length === 0;
  return {
    mic: packet.verifyMIC(read, hex(frame.nwk), undefined, high),
    port: port === null || port === undefined ? -1 : port,
    fopts: text(read.FOpts),
    payload: empty ? "" : text(packet.decrypt(read, hex(frame.app), hex(frame.nwk), high)),
    confirmed: read.isConfirmed(),
  };
}

const readline = require("readline");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  let answer;
  try {
    answer = JSON.parse(line).map(judge);
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
