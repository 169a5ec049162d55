"""POST $batch: several requests in one (SensorThings 1.1, clause 11; OData 4.0 part 1, 11.7).

A batch is multipart/mixed. A part is a request (application/http), or a change set: another multipart/mixed
whose writes happen all or not at all. `$<Content-ID>` stands for what an earlier request created, in an
address or as "@iot.id". After an error nothing more is done, unless Prefer says continue-on-error.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import HTTP
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from starlette.responses import Response

from gateway.publish.sensorthings_server.model import Refused

MAX_CALLS = 500
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
_LINE = re.compile(rb"([A-Za-z]+) (\S+)(?: HTTP/\d(?:\.\d)?)?\s*")
_REFERENCE = re.compile(r"\$([^/?()]+)")
_MARK = re.compile(r"[A-Za-z0-9._-]{1,64}")
_COLLECTION = re.compile(r"(?:^|/)v1\.1/(.*)$")


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a batch. path: below the root of the service."""

    method: str
    path: str
    query: str
    body: bytes
    content_id: str = ""


Do = Callable[[str, str, str, bytes], Response]


def parse(content_type: str, body: bytes) -> list[Call | list[Call]]:
    """Return the requests and change sets of a batch in order; raise Refused for what is none."""
    parts = _parts(b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n" + body)
    found: list[Call | list[Call]] = []
    for part in parts:
        if part.get_content_type() == "multipart/mixed":
            calls = [_call(inner) for inner in _members(part)]
            if any(call.method == "GET" for call in calls):
                raise Refused(400, "$batch: a change set holds no GET")
            found.append(calls)
        else:
            found.append(_call(part))
    count = sum(len(one) if isinstance(one, list) else 1 for one in found)
    if count > MAX_CALLS:
        raise Refused(413, f"$batch: {count} requests, at most {MAX_CALLS} are taken")
    return found


def run(
    batch: Sequence[Call | list[Call]],
    do: Do,
    together: Callable[[], AbstractContextManager[None]] | None,
    goes_on: bool = False,
) -> tuple[str, bytes]:
    """Do a batch in order; return content type and body of the answer. do: answers errors as responses.

    together: within it all writes happen or none; None where nothing can be written.
    """
    created: dict[str, str] = {}
    answers: list[bytes] = []
    for one in batch:
        if isinstance(one, list):
            text, is_good = _change_set(one, do, together, created)
        else:
            response = _done(one, do, created)
            text, is_good = _http(response, one.content_id), response.status_code < 400
        answers.append(text)
        if not is_good and not goes_on:
            break
    return _multipart(answers)


class _FailedError(Exception):
    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


def _change_set(
    calls: Sequence[Call],
    do: Do,
    together: Callable[[], AbstractContextManager[None]] | None,
    created: dict[str, str],
) -> tuple[bytes, bool]:
    """Return the answer of a change set: one a request when all is good, else the one error."""
    answers: list[bytes] = []
    inside = dict(created)

    def work() -> None:
        for call in calls:
            response = _done(call, do, inside)
            answer = _http(response, call.content_id)
            if response.status_code >= 400:
                raise _FailedError(answer)
            answers.append(answer)

    try:
        if together is None:
            work()
        else:
            with together():
                work()
    except _FailedError as failed:
        return failed.answer, False
    created |= inside
    content_type, content = _multipart(answers)
    return b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + content, True


def _done(call: Call, do: Do, created: dict[str, str]) -> Response:
    path, body = _named(call.path, created), _with_ids(call.body, created)
    response = do(call.method, path, call.query, body)
    location = response.headers.get("location", "")
    if call.content_id and location:
        created[call.content_id] = location.rstrip("/").rpartition("/")[2]
    return response


def _named(path: str, created: Mapping[str, str]) -> str:
    """Return a path with the entity in place of a leading `$1`."""
    found = _REFERENCE.match(path)
    if found is None or found[1] not in created:
        return path
    return created[found[1]] + path[found.end() :]


def _with_ids(body: bytes, created: Mapping[str, str]) -> bytes:
    """Return a JSON body in which `"@iot.id": "$1"` is the id of what was created."""
    if not created or b'"$' not in body:
        return body
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return body  # whoever takes it says so

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: _id_of(inner, created) if name == "@iot.id" else walk(inner)
                for name, inner in cast("dict[str, Any]", value).items()
            }
        return [walk(inner) for inner in cast("list[Any]", value)] if isinstance(value, list) else value

    return json.dumps(walk(content)).encode()


def _id_of(value: Any, created: Mapping[str, str]) -> Any:
    name = created.get(value[1:]) if isinstance(value, str) and value.startswith("$") else None
    return value if name is None else int(name.partition("(")[2].rstrip(")"))


# -- reading


def _parts(content: bytes) -> list[Message]:
    found = message_from_bytes(content, policy=HTTP)
    if found.get_content_type() != "multipart/mixed" or not found.get_boundary():
        raise Refused(400, "$batch: send multipart/mixed with a boundary")
    return _members(found)


def _members(message: Message) -> list[Message]:
    parts: Any = message.get_payload()
    if not isinstance(parts, list) or not parts or message.defects:
        raise Refused(400, "$batch: the parts cannot be told apart: is the boundary the one named?")
    return cast("list[Message]", parts)


def _call(part: Message) -> Call:
    if part.get_content_type() != "application/http":
        raise Refused(400, f"$batch: a part is {part.get_content_type()}; send application/http")
    payload: Any = part.get_payload(decode=True)
    content = payload.lstrip(b"\r\n") if isinstance(payload, bytes) else b""
    first, _, rest = content.partition(b"\n")
    line = _LINE.fullmatch(first)
    if line is None or line[1].decode().upper() not in _METHODS:
        raise Refused(400, f"$batch: a part begins with {' or '.join(_METHODS)}, an address and HTTP/1.1")
    lines = rest.replace(b"\r\n", b"\n")
    body = lines[1:] if lines.startswith(b"\n") else lines.partition(b"\n\n")[2]
    address = urlsplit(line[2].decode("ascii", "replace"))
    below = _COLLECTION.search(address.path)
    path = below[1] if below else address.path.lstrip("/")
    mark = str(part.get("content-id", "")).strip(" <>")
    if mark and not _MARK.fullmatch(mark):
        raise Refused(400, "$batch: a Content-ID has letters, digits and . _ - only, at most 64")
    return Call(line[1].decode().upper(), path.strip("/"), address.query, body.strip(), mark)


# -- writing


def _http(response: Response, content_id: str) -> bytes:
    status = response.status_code
    reason = HTTPStatus(status).phrase
    body = bytes(response.body)
    head = [f"HTTP/1.1 {status} {reason}"]
    for name in ("content-type", "location"):
        if name in response.headers and (name != "content-type" or body):
            head.append(f"{name}: {response.headers[name]}")
    head.append(f"content-length: {len(body)}")
    mark = f"Content-ID: {content_id}\r\n" if content_id else ""
    told = f"Content-Type: application/http\r\n{mark}\r\n" + "\r\n".join(head) + "\r\n\r\n"
    return told.encode() + body


def _multipart(answers: Sequence[bytes]) -> tuple[str, bytes]:
    boundary = f"b_{secrets.token_hex(12)}"
    mark = f"--{boundary}".encode()
    content = b"".join(mark + b"\r\n" + answer + b"\r\n" for answer in answers) + mark + b"--\r\n"
    return f"multipart/mixed; boundary={boundary}", content
