"""$batch: written by Python's own email package, answers read by it and by http.client.

The first example is that of OGC 18-088, 11.2.1: a GET, a change set of a POST with Content-ID 1 and a PATCH
of $1, and a GET of what is not there.
"""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import HTTP
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.publish.test_sensorthings_server import ROOT, Client, serve

THING = {"name": "New", "description": "Thing"}


@pytest.fixture
async def open_sta(tmp_path: Path) -> AsyncIterator[Client]:
    async for client in serve(tmp_path, writable=True, anonymous_writing=True):
        yield client


def call(method: str, path: str, body: Any = None, content_id: str = "") -> Message:
    part = MIMENonMultipart("application", "http")
    del part["MIME-Version"]
    if content_id:
        part["Content-ID"] = content_id
    text = "" if body is None else json.dumps(body)
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    part.set_payload(f"{head}Content-Length: {len(text)}\r\n\r\n{text}\r\n")
    return part


def change_set(*calls: Message) -> Message:
    return MIMEMultipart("mixed", "changeset_77162fcd", calls)


async def batch(sta: Client, *parts: Message, **headers: str) -> list[Any]:
    """Send a batch; return (status, JSON, headers, Content-ID) of each answer, a list for a change set."""
    sent = MIMEMultipart("mixed", "batch_36522ad7", parts)
    content = sent.as_bytes(policy=HTTP).partition(b"\r\n\r\n")[2]
    headers = {"content-type": "multipart/mixed; boundary=batch_36522ad7", **headers}
    answer = await sta.http.post(f"{ROOT}/$batch", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    whole = b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n\r\n" + answer.content
    message = message_from_bytes(whole, policy=HTTP)
    assert message.is_multipart() and not message.defects
    return [_answer(part) for part in message.get_payload()]  # type: ignore[union-attr]


def _answer(part: Message) -> Any:
    if part.is_multipart():
        return [_answer(inner) for inner in part.get_payload()]  # type: ignore[union-attr]
    assert part.get_content_type() == "application/http"
    raw = part.get_payload(decode=True)

    class Socket:
        def makefile(self, *_: Any) -> io.BytesIO:
            return io.BytesIO(raw)  # type: ignore[arg-type]

    found = http.client.HTTPResponse(Socket())  # type: ignore[arg-type]
    found.begin()
    text = found.read()
    return found.status, json.loads(text) if text else None, dict(found.headers), part.get("content-id")


async def test_the_example_of_the_standard(open_sta: Client) -> None:
    (ours,) = (await open_sta.get("/Things?$top=1"))["value"]
    one, changes, gone = await batch(
        open_sta,
        call("GET", f"/v1.1/Things({ours['@iot.id']})?$select=name"),
        change_set(
            call("POST", "/v1.1/Things", THING, "1"),
            call("PATCH", "/v1.1/$1", {"name": "Newer"}, "2"),
        ),
        call("GET", "/v1.1/Things(99999999)"),
    )
    assert (one[0], one[1]) == (200, {"name": ours["name"]})
    (created, patched) = changes
    assert (created[0], created[3], patched[0], patched[3]) == (201, "1", 200, "2")
    made = await open_sta.get(created[2]["location"])
    assert made["name"] == "Newer"
    assert gone[0] == 404


async def test_a_change_set_happens_whole_or_not_at_all(open_sta: Client) -> None:
    before = (await open_sta.get("/Things?$count=true"))["@iot.count"]
    (failed,) = await batch(
        open_sta,
        change_set(
            call("POST", "Things", THING, "1"), call("POST", "Things", {"description": "no name"}, "2")
        ),
        call("GET", "Things"),
    )
    assert failed[0] == 400  # one answer for the set; and after an error nothing more is done
    assert failed[3] == "2"
    assert (await open_sta.get("/Things?$count=true"))["@iot.count"] == before
    (made,) = await batch(open_sta, change_set(call("POST", "Things", THING), call("POST", "Things", THING)))
    assert [one[0] for one in made] == [201, 201]
    assert (await open_sta.get("/Things?$count=true"))["@iot.count"] == before + 2


async def test_what_was_created_is_named_in_addresses_and_bodies(open_sta: Client) -> None:
    stream = {
        "name": "s", "description": "s", "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        "unitOfMeasurement": {"name": "degree", "symbol": "C", "definition": "http://example/c"},
        "ObservedProperty": {"name": "T", "definition": "http://example/t", "description": "t"},
        "Sensor": {"name": "S", "description": "s", "encodingType": "application/pdf", "metadata": "x"},
    }  # fmt: skip
    (made,) = await batch(
        open_sta,
        change_set(
            call("POST", "Things", THING | {"Locations": [PLACE]}, "thing"),
            call("POST", "$thing/Datastreams", stream, "stream"),
            call("POST", "Observations", {"result": 4, "Datastream": {"@iot.id": "$stream"}}, "o"),
        ),
    )
    assert [one[0] for one in made] == [201, 201, 201], made
    thing = made[0][1]["@iot.id"]
    (found,) = (await open_sta.get(f"/Things({thing})/Datastreams?$expand=Observations"))["value"]
    assert [one["result"] for one in found["Observations"]] == [4]


PLACE = {
    "name": "p", "description": "p", "encodingType": "application/geo+json",
    "location": {"type": "Point", "coordinates": [3.7, 51.0]},
}  # fmt: skip


async def test_after_an_error_it_goes_on_only_when_asked(open_sta: Client) -> None:
    parts = (call("GET", "Nothings"), call("GET", "Things"))
    assert [one[0] for one in await batch(open_sta, *parts)] == [404]
    parts = (call("GET", "Nothings"), call("GET", "Things"))
    assert [one[0] for one in await batch(open_sta, *parts, prefer="continue-on-error")] == [404, 200]


async def test_reading_needs_no_right_to_write(tmp_path: Path) -> None:
    async for sta in serve(tmp_path):
        found = await batch(sta, call("GET", "Things"), call("DELETE", "Things(1)"))
        assert [one[0] for one in found] == [200, 405]
        conformance = (await sta.get(""))["serverSettings"]["conformance"]
        assert "http://www.opengis.net/spec/iot_sensing/1.1/req/batch-request/batch-request" in conformance
    async for sta in serve(tmp_path / "b", writable=True, token="t" * 24):
        for headers, status in (({}, 401), ({"authorization": "Bearer " + "t" * 24}, 201)):
            (found,) = await batch(sta, change_set(call("POST", "Things", THING)), **headers)
            assert (found[0] if isinstance(found, tuple) else found[0][0]) == status


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", b"{}"),
        ("multipart/mixed", b"--b\r\n\r\n--b--\r\n"),
        ("multipart/mixed; boundary=b", b""),
        (
            "multipart/mixed; boundary=b",
            b"--c\r\nContent-Type: application/http\r\n\r\nGET Things HTTP/1.1\r\n\r\n--c--",
        ),
        (
            "multipart/mixed; boundary=b",
            b"--b\r\nContent-Type: text/plain\r\n\r\nGET Things HTTP/1.1\r\n--b--\r\n",
        ),
        (
            "multipart/mixed; boundary=b",
            b"--b\r\nContent-Type: application/http\r\n\r\nBREW Tea HTTP/1.1\r\n--b--\r\n",
        ),
        (
            "multipart/mixed; boundary=b",
            b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
            b"--c\r\nContent-Type: application/http\r\n\r\n"
            b"GET Things HTTP/1.1\r\n\r\n--c--\r\n--b--\r\n",
        ),
    ],
)
async def test_what_is_no_batch_is_refused_with_a_reason(
    open_sta: Client, content_type: str, content: bytes
) -> None:
    answer = await open_sta.http.post(
        f"{ROOT}/$batch", content=content, headers={"content-type": content_type}
    )
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("$batch: ")
