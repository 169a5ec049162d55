"""What stands before a platform and answers in its place: sign-in pages, firewalls, proxies.

They answer 200 (F5's "Request Rejected", captive portals, the pages of single-page applications) or 400
(nginx for plain HTTP at a port for TLS) with a page. What went there is kept by nobody.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from gateway.config import Config
from gateway.counters import Counters
from gateway.errors import ConfigError
from gateway.outlets import Surroundings, outlets
from gateway.publish.posting import HttpClient, Verdict, judge, reason
from tests.gateway.house import SetClock
from tests.gateway.memory_reader import NOW_MS, MemoryReader
from tests.gateway.publish.test_http1 import a_server
from tests.gateway.publish.test_privacy_all import tables
from tests.gateway.test_tls import a_certificate

OVER_HTTP = (
    "ngsi_ld", "ngsi_v2", "sensorthings", "sensor_community", "opensensemap", "influx", "webhook",
)  # fmt: skip
F5 = (
    b"<html><head><title>Request Rejected</title></head><body>The requested URL was rejected. Please consult "
    b"with your administrator.<br><br>Your support ID is: 1234</body></html>"
)
LOGIN = b"\xef\xbb\xbf\r\n<!-- portal -->\n<!DOCTYPE html>\n<html><title>\nAanmelden &amp; verder </title>"
XHTML = b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"><html>'
NGINX = (
    b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n"
    b"<center><h1>400 Bad Request</h1></center></body></html>"
)


def answered(status: int, body: bytes, media: bytes = b"text/html") -> bytes:
    return b"HTTP/1.1 %d X\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (
        status,
        media,
        len(body),
        body,
    )


@pytest.mark.parametrize("kind", OVER_HTTP)
@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (answered(200, F5), '"Request Rejected"'),
        (answered(200, LOGIN), '"Aanmelden & verder"'),
        (answered(201, XHTML, b"application/json"), "web page"),
        (answered(400, NGINX), "sent to HTTPS port"),
    ],
    ids=["firewall", "sign-in", "mislabelled", "plain-http-at-tls"],
)
async def test_what_met_a_web_page_instead_of_the_platform_is_neither_taken_nor_refused(
    tmp_path: Path, kind: str, answer: bytes, named: str
) -> None:
    reader = MemoryReader()
    reader.add_site("plein-1", "air")
    reader.add("plein-1", "pm2_5", "ug/m3", 8.5, NOW_MS)
    async with a_server(lambda _, __, writer: writer.write(answer)) as (url, asked):
        table = tables(url, 1)[kind]
        (outlet,) = outlets(Config({}, {kind: table}, tmp_path))
        publisher = outlet.publisher(Surroundings(Counters(), tmp_path, SetClock(NOW_MS + 1000)))
        assert publisher is not None
        packed = await asyncio.to_thread(publisher.pack, reader.rows, reader)
        parcels = [parcel for parcel in packed.parcels if parcel.rows]
        try:
            outcomes = [
                await publisher.send(parcel, 9) for parcel in parcels
            ]  # the ninth try, out of patience
        finally:
            await publisher.close()
    assert asked
    assert parcels
    assert [[row.quantity for row in one.remaining.rows] if one.remaining else [] for one in outcomes] == [
        ["pm2_5"]
    ] * len(parcels)
    assert not any(outcome.rejections for outcome in outcomes)
    assert all(named in outcome.reason and "`url`" in outcome.reason for outcome in outcomes)


@pytest.mark.parametrize("body", [b"ok", b"", b"<p>thanks</p>", b'{"title": "<html>"}', b"<htmlish>"])
async def test_a_small_server_that_calls_its_ok_html_is_believed(body: bytes) -> None:
    # Flask, PHP and many others label whatever a function returns text/html.
    async with a_server(lambda _, __, writer: writer.write(answered(200, body))) as (url, _):
        client = HttpClient(url, {}, 5)
        answer = await client.request("POST", "/", b"{}")
        await client.close()
    assert isinstance(answer, httpx.Response)
    assert answer.status_code == 200


TOMCAT = (
    b'<!doctype html><html lang="en"><head><title>HTTP Status 400 \xe2\x80\x93 Bad Request</title></head>'
    b"<body><h1>HTTP Status 400 \xe2\x80\x93 Bad Request</h1><p>value out of range</p></body></html>"
)


async def test_a_platform_may_refuse_a_value_with_a_page() -> None:
    # Tomcat and Django do by default: were it waited for, one bad value would hold up all that follow.
    async with a_server(lambda _, __, writer: writer.write(answered(400, TOMCAT))) as (url, _):
        client = HttpClient(url, {}, 5)
        answer = await client.request("POST", "/", b"{}")
        await client.close()
    assert isinstance(answer, httpx.Response)
    assert judge(answer) is Verdict.REFUSED


async def test_a_page_not_found_stays_that_for_who_looks_for_an_interface() -> None:
    async with a_server(lambda _, __, writer: writer.write(answered(404, F5))) as (url, _):
        client = HttpClient(url, {}, 5)
        answer = await client.request("POST", "/", b"{}")
        await client.close()
    assert isinstance(answer, httpx.Response)


def test_a_redirect_says_where_to_without_what_is_secret_in_it() -> None:
    where = "https://me:pw@login.stad.example/auth?state=secret"
    said = reason(httpx.Response(302, headers={"location": where}))
    assert "https://login.stad.example/auth" in said
    assert "secret" not in said
    assert "pw" not in said
    assert "`url`" in said
    assert "token" in said


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "no_proxy")


async def why(url: str) -> str:
    client = HttpClient(url, {}, 5)
    answer = await client.request("POST", "/", b"{}")
    await client.close()
    assert isinstance(answer, str)
    return answer


@pytest.mark.parametrize(
    "proxy", ["socks5://me:s3cret@127.0.0.1:9", "ftp://127.0.0.1:9", "http://me:s3cret@127.0.0.1:9"]
)
async def test_a_proxy_that_does_not_work_is_named_and_nothing_is_given_up_for_it(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    said = await why("http://broker.example:1026")
    assert "proxy" in said
    assert "s3cret" not in said
    if proxy.startswith("http:"):
        assert "127.0.0.1:9" in said
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert "proxy" not in await why("http://127.0.0.1:9") or not proxy.startswith("http:")


async def test_faults_of_tls_say_what_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own = a_certificate(tmp_path)
    context.load_cert_chain(*own)

    def taken(_: int, __: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def objects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)  # as servers do to what is no HTTP
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(objects, "127.0.0.1", 0)
    plain = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, a_server(taken, context) as (url, _):
        assert "SSL_CERT_FILE" in await why(url)
        assert "https://" in await why(url.replace("https:", "http:"))
        assert "http://" in (await why(plain)).rpartition(";")[2]
        monkeypatch.setenv("SSL_CERT_FILE", str(own[0]))  # what the sentence says helps
        client = HttpClient(url, {}, 5)
        answer = await client.request("POST", "/", b"{}")
        await client.close()
    assert isinstance(answer, httpx.Response)


@pytest.mark.parametrize(
    "url", ["http://::1:1026", "http://broker:1026x", "http://broker:99999", "http://:80"]
)
@pytest.mark.parametrize("kind", ["ngsi_ld", "ngsi_v2", "sensorthings", "influx"])
def test_an_address_that_can_never_be_reached_is_refused_at_the_start(
    tmp_path: Path, kind: str, url: str
) -> None:
    with pytest.raises(ConfigError, match=f"publish.{kind}.url: must be an address like"):
        outlets(Config({}, {kind: tables(url, 1)[kind] | {"url": url}}, tmp_path))
