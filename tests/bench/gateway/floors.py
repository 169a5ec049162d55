"""What receiving alone costs: `python -m tests.bench.gateway.floors [--messages 40000] [--clients DIR]`.

Subscribers at QoS 1 of the same Mosquitto and the same messages as the gateway's bench, which throw away what
they get: a socket read by hand that acknowledges in bursts, paho, and gmqtt and aiomqtt where `--clients`
names a Python that has them (python -m venv DIR && DIR/bin/pip install gmqtt aiomqtt). Messages a second and
CPU microseconds a message of the subscriber. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.gateway import load, parts
from tests.bench.gateway.messages import Messages, first_s

SOCKET = """
import socket, sys
sock = socket.create_connection(("127.0.0.1", PORT))
sock.sendall(b"\\x10\\x11\\x00\\x04MQTT\\x04\\x02\\x00\\x3c\\x00\\x05floor")
assert sock.recv(4)[3] == 0
topic = b"application/#"
sock.sendall(b"\\x82" + bytes((5 + len(topic),)) + b"\\0\\1\\0" + bytes((len(topic),)) + topic + b"\\1")
assert sock.recv(5)[4] == 1
print("ready", flush=True)
rest, left = b"", MESSAGES
while left:
    data = rest + sock.recv(1 << 18)
    at, end, answers = 0, len(data), []
    while at + 5 < end:
        size, shift, begin = 0, 0, at + 1
        while True:
            digit = data[begin]
            begin += 1
            size |= (digit & 127) << shift
            shift += 7
            if not digit & 128:
                break
        if begin + size > end:
            break
        behind = begin + 2 + (data[begin] << 8 | data[begin + 1])
        answers.append(b"\\x40\\x02" + data[behind:behind + 2])
        at = begin + size
    rest = data[at:]
    left -= len(answers)
    sock.sendall(b"".join(answers))
"""
PAHO = """
import paho.mqtt.client as paho
left = MESSAGES
client = paho.Client(paho.CallbackAPIVersion.VERSION2, "floor")
def taken(client, _, message):
    global left
    left -= 1
    if not left:
        client.disconnect()
client.on_message = taken
client.on_subscribe = lambda *_: print("ready", flush=True)
client.on_connect = lambda client, *_: client.subscribe("application/#", 1)
client.connect("127.0.0.1", PORT)
client.loop_forever()
"""
AIOMQTT = """
import asyncio, aiomqtt
async def main():
    left = MESSAGES
    async with aiomqtt.Client("127.0.0.1", PORT) as client:
        await client.subscribe("application/#", 1)
        print("ready", flush=True)
        async for message in client.messages:
            left -= 1
            if not left:
                return
asyncio.run(main())
"""
GMQTT = """
import asyncio, gmqtt
async def main():
    left, done = MESSAGES, asyncio.Event()
    client = gmqtt.Client("floor")
    def taken(*_):
        nonlocal left
        left -= 1
        if not left:
            done.set()
        return 0
    client.on_message = taken
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.on_connect = lambda client, *_: client.subscribe("application/#", qos=1)
    await client.connect("127.0.0.1", PORT)
    await done.wait()
    await client.disconnect()
asyncio.run(main())
"""


def measure(name: str, python: str, program: str, messages: int, window: int) -> dict[str, object]:
    """Let one subscriber take all messages."""
    shape = (200, first_s(messages, 200), 0)
    with tempfile.TemporaryDirectory(prefix="meetnet-floor-") as folder:
        port = parts.free_port()
        text = program.replace("PORT", str(port)).replace("MESSAGES", str(messages))
        book = load.Ledger(messages)
        with parts.a_broker(Path(folder), port):
            process = subprocess.Popen([python, "-c", text], stdout=subprocess.PIPE)
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                process.wait()
                book.close(unlink=True)
                return {"client": name, "skipped": "it is not installed"}
            cost = parts.Cost(process.pid)
            begin = time.perf_counter()
            book.totals[1] = messages  # nobody tells how far it is: the broker's queue takes it all
            generator = load.start(load.generate, book.memory.name, messages, shape, port, window, 0.0)
            spent = 0.0
            while process.poll() is None:
                spent = max(spent, cost.cpu_s())
                time.sleep(0.01)
            seconds = time.perf_counter() - begin
            generator.join(30)
            process.stdout.close()
        book.close(unlink=True)
        return {
            "client": name,
            "msg_per_s": round(messages / seconds),
            "cpu_us_per_message": round(spent / messages * 1e6, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--clients", type=Path, help="a virtual environment with gmqtt and aiomqtt")
    asked = parser.parse_args()
    other = str(asked.clients / "bin" / "python") if asked.clients else sys.executable
    rows = (
        ("socket", sys.executable, SOCKET),
        ("paho", sys.executable, PAHO),
        ("gmqtt", other, GMQTT),
        ("aiomqtt", other, AIOMQTT),
    )
    assert Messages(1, 0).packet(0)
    print(json.dumps([measure(*row, asked.messages, asked.messages) for row in rows], indent=2))


if __name__ == "__main__":
    main()
