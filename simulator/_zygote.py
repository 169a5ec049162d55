"""Starts node processes by forking one small interpreter that has MicroPython loaded.

Run as a script by `nodeproc.Spawner`, in a session of its own, with nothing else imported: a fork then
takes about a millisecond, where a fresh interpreter takes fifty. Orders come over a stream socket, each a
4-byte length and JSON: {"spawn": id, "argv", "cwd", "env", "log"} with one descriptor attached (the
node's link), or {"kill": id}. Each end of a process is reported as {"exit": id, "status": wait status}.
When the socket closes, every child is killed: nothing outlives the simulation.
"""

import array
import contextlib
import gc
import json
import os
import select
import signal
import socket
import struct
import sys


def _exactly(control: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n:
        part = control.recv(n - len(data))
        if not part:
            return b""
        data += part
    return data


def _receive(control: socket.socket) -> tuple[dict[str, object] | None, int]:
    """Return the next order and its descriptor (-1 without one); None when the street is gone."""
    fds = array.array("i")
    head, ancillary, _, _ = control.recvmsg(4, socket.CMSG_SPACE(fds.itemsize))
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: fds.itemsize])
    if head and len(head) < 4:
        head += _exactly(control, 4 - len(head))
    if len(head) < 4:
        return None, -1
    body = _exactly(control, struct.unpack("<I", head)[0])
    if not body:
        return None, -1
    return json.loads(body), fds[0] if fds else -1


def _child(order: dict[str, object], link: int, run_main: object) -> None:
    """Become the node: never returns."""
    status = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        log = os.open(str(order["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        ends = (null, log, log)
        if order.get("console"):  # a terminal whose other end somebody holds, as on a USB cable
            ends = (os.open(str(order["console"]), os.O_RDWR | os.O_NOCTTY),) * 3
        for source, target in zip(ends, (0, 1, 2), strict=False):
            os.dup2(source, target)
        env = order["env"]
        assert isinstance(env, dict)
        os.environ.clear()
        os.environ.update({str(k): str(v) for k, v in env.items()})  # pyright: ignore
        os.environ["MEETNET_LINK_FD"] = str(link)
        os.chdir(str(order["cwd"]))
        argv = order["argv"]
        assert isinstance(argv, list) and callable(run_main)
        status = run_main([str(a) for a in argv])  # pyright: ignore
    except BaseException as e:  # the log is the only place left to say it
        os.write(2, f"node process could not run: {e!r}\n".encode())
    finally:
        os._exit(int(str(status)) & 0xFF)


def _ignore(number: int, frame: object) -> None:
    """The wake-up descriptor says it already."""


def main(control_fd: int) -> None:
    """Serve orders until the control socket closes."""
    from micropython_run import run_main  # pyright: ignore

    control = socket.socket(fileno=control_fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wake_read, wake_write = socket.socketpair()
    wake_read.setblocking(False)
    wake_write.setblocking(False)
    signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _ignore)
    children: dict[int, int] = {}  # pid -> id
    gc.freeze()  # forks share these pages for good

    # What is told waits here until it is read: were it to wait in a send, the orders of a street that
    # ends hundreds of nodes at once would fill the socket the other way, and nobody would ever read again.
    waiting = bytearray()

    def tell(message: dict[str, object]) -> None:
        body = json.dumps(message).encode()
        waiting.extend(struct.pack("<I", len(body)) + body)

    try:
        while True:
            ready, writable, _ = select.select([control, wake_read], [control] if waiting else [], [])
            if writable:
                with contextlib.suppress(BlockingIOError):
                    del waiting[: control.send(waiting, socket.MSG_DONTWAIT)]
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    wake_read.recv(4096)
                while children:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                    if pid == 0:
                        break
                    tell({"exit": children.pop(pid), "status": status})
            if control not in ready:
                continue
            order, link = _receive(control)
            if order is None:
                return
            if "spawn" in order:
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    for sock in (control, wake_read, wake_write):
                        sock.close()
                    _child(order, link, run_main)  # pyright: ignore
                os.close(link)
                children[pid] = int(str(order["spawn"]))
            elif "kill" in order:
                for pid, ident in children.items():
                    if ident == order["kill"]:
                        os.kill(pid, signal.SIGKILL)
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    main(int(sys.argv[2]))
