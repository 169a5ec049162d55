"""A simulated board behind the page's Web Serial: a fake port in the page, its other end in the same server.

The port speaks plain HTTP with the page's own server, so the content security policy stays as it is.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from simulator.usb import UsbBoard

# What a page sees of a port: https://wicg.github.io/serial/
FAKE_SERIAL = """
(() => {
  const wait = { refuse: null, busy: false };
  window.fakeSerial = wait;
  class Port extends EventTarget {
    signals = { dtr: false, rts: false };
    readable = null;
    writable = null;
    getInfo() { return { usbVendorId: 0x10c4, usbProductId: 0xea60 }; }
    async open({ baudRate }) {
      if (!baudRate) throw new TypeError("baudRate");
      if (this.readable) throw new DOMException("The port is already open.", "InvalidStateError");
      if (wait.busy) throw new DOMException("Failed to open serial port.", "NetworkError");
      const turn = await (await fetch("/__board/open", { method: "POST" })).text();
      this.stop = new AbortController();
      const stop = this.stop;
      const read = async (controller) => {
        while (!stop.signal.aborted) {
          const answer = await fetch("/__board/read?turn=" + turn, { signal: stop.signal });
          const data = new Uint8Array(await answer.arrayBuffer());
          if (data.length && !stop.signal.aborted) controller.enqueue(data);
        }
      };
      const fresh = () => new ReadableStream({
        start(controller) { read(controller).catch(() => { try { controller.close(); } catch {} }); },
      });
      let current = fresh();
      const abort = () => stop.abort();
      // As with a real port, cancelling a reader leaves a new stream behind.
      Object.defineProperty(this, "readable", {
        configurable: true, get: () => current, set: (value) => { current = value; },
      });
      this.writable = new WritableStream({
        async write(data) { await fetch("/__board/write", { method: "POST", body: data }); },
      });
      this.abort = abort;
    }
    async close() {
      if (!this.readable) throw new DOMException("The port is already closed.", "InvalidStateError");
      if (this.readable.locked || this.writable.locked) throw new TypeError("Cannot cancel a locked stream");
      this.abort();
      delete this.readable;
      this.readable = null;
      this.writable = null;
    }
    async setSignals({ dataTerminalReady, requestToSend }) {
      const now = this.signals;
      if (dataTerminalReady !== undefined) now.dtr = dataTerminalReady;
      if (requestToSend !== undefined) now.rts = requestToSend;
      await fetch(`/__board/lines?dtr=${+now.dtr}&rts=${+now.rts}`, { method: "POST" });
    }
    async getSignals() {
      return { clearToSend: true, dataCarrierDetect: true, dataSetReady: true, ringIndicator: false };
    }
    async forget() {}
  }
  const port = new Port();
  const serial = new EventTarget();
  serial.requestPort = async () => {
    if (wait.refuse) throw new DOMException("refused", wait.refuse);
    return port;
  };
  serial.getPorts = async () => [port];
  Object.defineProperty(navigator, "serial", { value: serial, configurable: true });
})();
"""


class Bridge:
    """The board's end; `application(app)` adds its routes to the page's."""

    def __init__(self, board: UsbBoard) -> None:
        self.board = board
        self._data = bytearray()
        self._turn = 0
        self._news = threading.Condition()
        board.connect(self._heard)

    def _heard(self, data: bytes) -> None:
        with self._news:
            self._data += data
            self._news.notify_all()

    def application(self, page: Any) -> Starlette:
        """Return the page's application with the bridge beside it."""
        return Starlette(
            routes=[
                Route("/__board/open", self._open, methods=["POST"]),
                Route("/__board/read", self._read),
                Route("/__board/write", self._write, methods=["POST"]),
                Route("/__board/lines", self._lines, methods=["POST"]),
                Mount("/", page),
            ]
        )

    async def _open(self, request: Request) -> Response:
        with self._news:
            self._turn += 1
            self._data.clear()
            return Response(str(self._turn))

    async def _read(self, request: Request) -> Response:
        return Response(await asyncio.to_thread(self._wait, int(request.query_params["turn"])))

    def _wait(self, turn: int) -> bytes:
        with self._news:
            self._news.wait_for(lambda: self._data or turn != self._turn, 0.5)
            if turn != self._turn:
                return b""
            data = bytes(self._data)
            self._data.clear()
            return data

    async def _write(self, request: Request) -> Response:
        data = await request.body()
        await asyncio.to_thread(self.board.receive, data)
        return Response()

    async def _lines(self, request: Request) -> Response:
        query = request.query_params
        await asyncio.to_thread(self.board.set_lines, query["dtr"] == "1", query["rts"] == "1")
        return Response()
