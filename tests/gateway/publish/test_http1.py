"""Requests over kept connections, held against what a server on a socket really got and httpx would say."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from gateway.publish.http1 import Http1
from gateway.publish.posting import HttpClient

Script = Callable[[int, bytes, asyncio.StreamWriter], object]
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@contextlib.asynccontextmanager
async def a_server(
    script: Script, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Yield an address and what was asked of it; script(connection number, request, writer) answers."""
    asked: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        mine, count = count, count + 1
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
                body = await reader.readexactly(int(lines.get(b"content-length", b"0")))
                asked.append(head + body)
                script(mine, head + body, writer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=1 << 24)
    try:
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0)


async def test_a_connection_serves_request_after_request_and_the_bytes_are_those_that_httpx_sends() -> None:
    seen: list[int] = []

    def answer(connection: int, _: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(connection)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello")

    content = b"x" * 300_000
    async with a_server(answer) as (url, asked):
        http = Http1(5)
        for _ in range(3):
            found = await http.request("POST", f"{url}/a/b?c=d", content, {"content-type": "text/plain"})
            assert (found.status_code, found.text, found.headers["x-a"]) == (200, "hello", "b")
        async with httpx.AsyncClient() as peer:
            await peer.post(f"{url}/a/b?c=d", content=content, headers={"content-type": "text/plain"})
        await http.close()
    assert seen == [0, 0, 0, 1]
    ours, theirs = (set(one.partition(b"\r\n\r\n")[0].split(b"\r\n")) for one in (asked[0], asked[3]))
    # httpx also names itself, what it can unpack, and that it keeps the connection (the default since 1.1)
    assert {line.lower() for line in ours} <= {line.lower() for line in theirs}
    assert asked[0].partition(b"\r\n\r\n")[2] == content


async def test_a_chunked_answer_and_one_that_ends_with_the_connection_are_read_whole() -> None:
    def answer(connection: int, request: bytes, writer: asyncio.StreamWriter) -> None:
        if b"/chunked" in request:
            writer.write(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            )
        else:
            writer.write(b"HTTP/1.0 500 Oops\r\n\r\nto the end")
            writer.close()

    async with a_server(answer) as (url, _):
        http = Http1(5)
        assert (await http.request("GET", f"{url}/chunked", None, {})).text == "abcde"
        found = await http.request("GET", f"{url}/closing", None, {})
        assert (found.status_code, found.text) == (500, "to the end")
        assert (await http.request("GET", f"{url}/chunked", None, {})).text == "abcde"
        await http.close()


async def test_a_kept_connection_that_the_server_closed_meanwhile_is_replaced_unseen() -> None:
    def answer(connection: int, _: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(NO_CONTENT)
        if connection == 0:
            writer.close()  # as after a keep-alive time-out, without a word

    async with a_server(answer) as (url, asked):
        http = Http1(5)
        for _ in range(2):
            assert (await http.request("POST", url, b"1", {})).status_code == 204
            await asyncio.sleep(0.05)
        await http.close()
    assert len(asked) == 2


async def test_a_server_that_hangs_up_on_a_fresh_connection_is_a_fault_and_not_asked_for_ever() -> None:
    async with a_server(lambda _, __, writer: writer.close()) as (url, asked):
        http = Http1(5)
        with pytest.raises(httpx.ReadError):
            await http.request("POST", url, b"1", {})
    assert len(asked) == 1


@pytest.mark.parametrize(
    "bytes_", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: no\r\n\r\n", b"\0" * 200_000]
)
async def test_an_answer_that_is_no_http_is_a_fault_of_the_platform(bytes_: bytes) -> None:
    async with a_server(lambda _, __, writer: writer.write(bytes_)) as (url, _):
        client = HttpClient(url, {}, 2)
        answer = await client.request("GET", "/")
        assert isinstance(answer, str) and "Error" in answer
        await client.close()


async def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.publish.http1.MOST_ANSWER", 100_000)

    def answer(_: int, __: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 300_000)

    async with a_server(answer) as (url, _):
        with pytest.raises(httpx.HTTPError, match="100000"):
            await Http1(5).request("GET", url, None, {})


async def test_faults_are_told_in_one_line() -> None:
    async with a_server(lambda *_: None) as (url, _):  # never answers
        client = HttpClient(url, {}, 0.2)
        assert await client.request("POST", "/", b"1") == "no answer within 0.2 s"
    dead = HttpClient("http://127.0.0.1:1", {}, 2)
    assert str(await dead.request("GET", "/")).startswith("cannot be reached at http://127.0.0.1:1: ")
    bad = HttpClient("http://127.0.0.1:1", {"authorization": "Bearer a\nb"}, 2)
    assert "LocalProtocolError" in str(await bad.request("GET", "/"))


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    from tests.gateway.test_tls import a_certificate

    certificate, key = a_certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    def answer(_: int, __: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(NO_CONTENT)

    async with a_server(answer, tls) as (url, asked):
        client = HttpClient(url, {}, 5)
        answer_ = await client.request("GET", "/")
        assert isinstance(answer_, str) and "certificate" in answer_.lower()
        assert asked == []
        http = Http1(5)
        http._context = ssl.create_default_context(cafile=str(certificate))
        http._context.check_hostname = False
        assert (await http.request("GET", url, None, {})).status_code == 204
        await http.close()


async def test_behind_a_proxy_httpx_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def answer(_: int, request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(request)
        writer.write(NO_CONTENT)

    async with a_server(answer) as (url, _):
        monkeypatch.setenv("http_proxy", url)
        client = HttpClient("http://platform.example", {}, 5)
        found = await client.request("POST", "/x", b"1")
        assert not isinstance(found, str) and found.status_code == 204
        await client.close()
    assert asked[0].startswith(b"POST http://platform.example/x ")
