// Reads frames as JSON from stdin, lets npm `lora-packet` verify and decrypt each, prints what it read.
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

const chunks = [];
process.stdin.on("data", (chunk) => chunks.push(chunk));
process.stdin.on("end", () => {
  const frames = JSON.parse(Buffer.concat(chunks).toString());
  process.stdout.write(JSON.stringify(frames.map(judge)));
});
