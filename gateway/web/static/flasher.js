// Puts the firmware on a board over Web Serial (esptool-js), then gives the node its Wi-Fi (Improv).
// Everything comes from this gateway; nothing is asked of any other host.

const root = document.getElementById("flasher");
const words = JSON.parse(document.getElementById("flasher-words").textContent);
const say = document.getElementById("flasher-said");
const bar = document.getElementById("flasher-bar");
const start = document.getElementById("flasher-start");
const wifi = document.getElementById("flasher-wifi");
const names = document.getElementById("flasher-names");
const mint = document.getElementById("flasher-mint"); // for technicians
const card = document.getElementById("flasher-card");

const STATE = 1, ERROR = 2, RPC = 3, RESULT = 4;
const READY = 2, PROVISIONED = 4;
const SEND_WIFI = 1, GET_STATE = 2, SCAN = 4, GET_CAUSE = 0xf0, GET_IDENTITY = 0xf1, SET_IDENTITY = 0xf2;
const PIECE = 200; // bytes of a configuration in one packet
const HEADER = [73, 77, 80, 82, 79, 86, 1]; // "IMPROV", version 1
const RESTART_MS = 4000; // a board that has its keys starts with them
const PATIENCE_MS = 2000, WIFI_MS = 60000, BOOT_TRIES = 15;

class Refusal extends Error {
  constructor(word, places = {}) {
    super(word);
    this.word = word;
    this.places = places;
  }
}

function tell(word, places = {}, bad = false) {
  let text = words[word] ?? words.failed;
  for (const [name, value] of Object.entries(places)) text = text.replace(`{${name}}`, value);
  say.textContent = text;
  say.classList.toggle("bad", bad);
}

// -- Improv over serial: improv-wifi.com/serial

export function packet(type, data) {
  const out = [...HEADER, type, data.length, ...data];
  return new Uint8Array([...out, out.reduce((sum, byte) => (sum + byte) & 255, 0), 10]);
}

export function call(command, strings = []) {
  const body = strings.flatMap((text) => {
    const raw = new TextEncoder().encode(text);
    return [raw.length, ...raw];
  });
  return packet(RPC, [command, body.length, ...body]);
}

export class Parser {
  constructor() {
    this.bytes = [];
  }

  // Returns the whole packets in what came: [type, data]. Between packets the line carries a log.
  feed(data) {
    this.bytes.push(...data);
    const found = [];
    for (let at = 0; ; ) {
      at = this.bytes.indexOf(HEADER[0], at);
      if (at < 0) {
        this.bytes = [];
        break;
      }
      const left = this.bytes.slice(at);
      if (HEADER.slice(0, left.length).some((byte, i) => left[i] !== byte)) {
        at += 1;
        continue;
      }
      const length = left[8];
      if (left.length < 10 || left.length < 10 + length) {
        this.bytes = left;
        break;
      }
      const sum = left.slice(0, 9 + length).reduce((total, byte) => (total + byte) & 255, 0);
      if (sum === left[9 + length]) {
        found.push([left[7], left.slice(9, 9 + length)]);
        at += 10 + length;
      } else at += 1;
    }
    return found;
  }
}

function strings(data) {
  const out = [];
  for (let at = 2; at < data.length; at += 1 + data[at])
    out.push(new TextDecoder().decode(new Uint8Array(data.slice(at + 1, at + 1 + data[at]))));
  return out;
}

class Improv {
  constructor(port) {
    this.reader = port.readable.getReader();
    this.writer = port.writable.getWriter();
    this.parser = new Parser();
    this.waiting = [];
    this.done = this.read();
  }

  async read() {
    try {
      for (;;) {
        const { value, done } = await this.reader.read();
        if (done) return;
        for (const found of this.parser.feed(value)) this.waiting.forEach((take) => take(found));
      }
    } catch {
      // The board was unplugged: whoever waits is told by its own patience.
    }
  }

  // Sends a request; take(type, data) returns undefined until it has what it wants.
  ask(bytes, take, patience) {
    return new Promise((resolve, reject) => {
      const end = (how, value) => {
        clearTimeout(timer);
        this.waiting = this.waiting.filter((other) => other !== hear);
        how(value);
      };
      const hear = ([type, data]) => {
        try {
          const value = take(type, data);
          if (value !== undefined) end(resolve, value);
        } catch (error) {
          end(reject, error);
        }
      };
      const timer = setTimeout(() => end(reject, new Refusal("silent")), patience);
      this.waiting.push(hear);
      this.writer.write(bytes).catch(() => end(reject, new Refusal("unplugged")));
    });
  }

  state() {
    return this.ask(call(GET_STATE), (type, data) => (type === STATE ? data[0] : undefined), PATIENCE_MS);
  }

  scan() {
    const seen = new Set();
    return this.ask(call(SCAN), (type, data) => {
      if (type !== RESULT || data[0] !== SCAN) return undefined;
      const [name] = strings(data);
      if (name === undefined) return [...seen];
      if (name) seen.add(name);
      return undefined;
    }, WIFI_MS);
  }

  async join(name, password) {
    const word = await this.ask(call(SEND_WIFI, [name, password]), (type, data) => {
      if (type === RESULT && data[0] === SEND_WIFI) return "connected";
      if (type === ERROR && data[0] !== 0) return "refused";
      return undefined;
    }, WIFI_MS);
    if (word === "connected") return;
    const cause = await this.ask(call(GET_CAUSE), (type, data) => {
      if (type === RESULT && data[0] === GET_CAUSE) return strings(data)[1];
      return type === ERROR && data[0] !== 0 ? "" : undefined;
    }, PATIENCE_MS).catch(() => "");
    throw new Refusal(cause.startsWith("wifi_") && words[cause] ? cause : "wifi_other");
  }

  // Who the board is: [DevEUI or "", MAC]; undefined for firmware that cannot tell.
  identity() {
    return this.ask(call(GET_IDENTITY), (type, data) => {
      if (type === RESULT && data[0] === GET_IDENTITY) return strings(data);
      return type === ERROR && data[0] !== 0 ? [] : undefined;
    }, PATIENCE_MS).then((found) => (found.length === 2 ? found : undefined));
  }

  async be(config) {
    const bytes = [...JSON.stringify(config)]; // ASCII: keys, names of boards and base64
    const pieces = Array.from({ length: Math.ceil(bytes.length / PIECE) },
      (_, n) => bytes.slice(n * PIECE, (n + 1) * PIECE).join(""));
    for (const [n, piece] of pieces.entries())
      await this.ask(call(SET_IDENTITY, [String(n), String(pieces.length), piece]), (type, data) => {
        if (type === RESULT && data[0] === SET_IDENTITY) return true;
        if (type === ERROR && data[0] !== 0) throw new Refusal("identity_board");
        return undefined;
      }, PATIENCE_MS);
  }

  async close() {
    await this.reader.cancel().catch(() => {});
    this.reader.releaseLock();
    this.writer.releaseLock();
    await this.done;
  }
}

// -- the board

async function choose() {
  try {
    return await navigator.serial.requestPort();
  } catch (error) {
    throw new Refusal(error.name === "NotFoundError" ? "no_port" : "permission");
  }
}

async function parts(manifest, chip) {
  const build = manifest.builds.find((one) => one.chipFamily === chip);
  if (!build) throw new Refusal("no_build", { chip });
  return Promise.all(build.parts.map(async ({ path, offset }) => {
    const answer = await fetch(new URL(path, new URL(root.dataset.images + chosen() + "/", location)));
    if (!answer.ok) throw new Refusal("no_image");
    return { data: new Uint8Array(await answer.arrayBuffer()), address: offset };
  }));
}

const chosen = () => root.querySelector("[name=board]:checked")?.value ?? "";

async function write(port) {
  const { ESPLoader, Transport } = await import(root.dataset.esptool);
  const answer = await fetch(`${root.dataset.images}${chosen()}/manifest.json`);
  if (!answer.ok) throw new Refusal("no_image");
  const manifest = await answer.json();
  const transport = new Transport(port);
  const quiet = { clean() {}, write() {}, writeLine() {} };
  const loader = new ESPLoader({ transport, baudrate: 460800, romBaudrate: 115200, terminal: quiet });
  try {
    tell("connecting");
    try {
      await loader.main();
    } catch (error) {
      throw new Refusal(/open/i.test(error.message ?? "") ? "busy" : "boot");
    }
    const files = await parts(manifest, loader.chip.CHIP_NAME);
    const sizes = files.map((file) => file.data.length);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    bar.hidden = false;
    tell("writing", { version: manifest.version });
    try {
      await loader.writeFlash({
        fileArray: files, flashSize: "keep", flashMode: "keep", flashFreq: "keep", eraseAll: false, compress: true,
        reportProgress: (index, written, packed) => {
          const before = sizes.slice(0, index).reduce((sum, size) => sum + size, 0);
          bar.value = (before + (written / packed) * sizes[index]) / total;
        },
      });
    } catch {
      throw new Refusal("unplugged");
    }
    bar.value = 1;
    await transport.setRTS(true); // after() only lets go of the line
    await new Promise((resolve) => setTimeout(resolve, 100));
    await loader.after();
  } finally {
    await transport.disconnect().catch(() => {});
  }
}

const wantsIdentity = () => mint !== null && mint.elements.site_name.value.trim() !== "";

// Gives a blank board its keys; returns what the gateway made, undefined when there was nothing to make.
async function giveIdentity(improv) {
  if (!wantsIdentity()) return undefined;
  const [known, mac] = (await improv.identity().catch(() => undefined)) ?? ["?", ""];
  if (known !== "") {
    tell("identity_kept");
    return undefined;
  }
  tell("identity");
  const fields = new URLSearchParams(new FormData(mint));
  fields.set("board", chosen());
  fields.set("mac", mac);
  const answer = await fetch(`${location.pathname.replace(/\/$/, "")}/identity`, { method: "POST", body: fields });
  const made = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal("identity_refused", { reason: made.error ?? answer.status });
  await improv.be(made.config);
  document.getElementById("flasher-code").textContent = made.code ?? "";
  document.getElementById("flasher-label-image").src = made.label;
  document.getElementById("flasher-card-image").src = made.card ?? "";
  card.hidden = false;
  return made;
}

async function awake(improv) {
  let state;
  for (let left = BOOT_TRIES; left && state === undefined; left--) state = await improv.state().catch(() => undefined);
  return state;
}

async function setUpWifi(port) {
  await port.open({ baudRate: 115200 });
  const improv = new Improv(port);
  try {
    tell("starting");
    let state = await awake(improv);
    if (state === undefined) return tell("done"); // a node on LoRaWAN has nothing to ask
    const made = await giveIdentity(improv);
    if (made?.config.radio === "lorawan") return tell("identity_done");
    if (made) {
      await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
      state = await awake(improv);
    }
    if (state === PROVISIONED) return tell("done_wifi");
    if (state !== READY) return tell("done");
    tell("wifi_ask");
    const found = await improv.scan().catch(() => []);
    names.replaceChildren(...found.map((name) => Object.assign(document.createElement("option"), { value: name })));
    wifi.hidden = false;
    wifi.elements.ssid.focus();
    for (;;) {
      await new Promise((resolve) => wifi.addEventListener("submit", (event) => {
        event.preventDefault();
        resolve();
      }, { once: true }));
      tell("wifi_trying");
      try {
        await improv.join(wifi.elements.ssid.value, wifi.elements.password.value);
      } catch (error) {
        tell(error.word ?? "failed", error.places, true);
        continue;
      }
      wifi.elements.password.value = "";
      wifi.hidden = true;
      return tell("done_wifi");
    }
  } finally {
    await improv.close();
    await port.close().catch(() => {});
  }
}

async function run(work) {
  start.disabled = true;
  bar.hidden = true;
  wifi.hidden = true;
  card.hidden = true;
  root.dataset.state = "busy";
  try {
    const port = await choose();
    if (work === "write") await write(port);
    await setUpWifi(port);
    root.dataset.state = "done";
  } catch (error) {
    tell(error.word ?? "failed", error.places, true);
    root.dataset.state = "refused";
    root.dataset.why = error.word ?? String(error);
  }
  start.disabled = false;
}

if (!window.isSecureContext) tell("https", {}, true);
else if (!("serial" in navigator)) tell("browser", {}, true);
else {
  tell("ready");
  start.disabled = false;
  start.addEventListener("click", () => run("write"));
  const only = document.getElementById("flasher-only-wifi");
  only.hidden = false;
  only.addEventListener("click", () => run("wifi"));
  document.getElementById("flasher-print").addEventListener("click", () => window.print());
}
