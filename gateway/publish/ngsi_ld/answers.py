"""What a broker's answer to a batch means: taken, refused for good, or to be tried again.

Answers: 201 with created ids, 204 when all were updated, 207 with {success, errors}; problem documents with
types under https://uri.etsi.org/ngsi-ld/errors/ (GS CIM 009, clause 5.5.3 and 5.6.8).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import httpx

from gateway.publish.posting import sends_elsewhere


class Verdict(Enum):
    """What to do with the entities of a request."""

    TAKEN = "taken"
    MIXED = "mixed"  # 207: ask BatchResult
    REFUSED = "refused"  # the content is at fault: find the entity
    TOO_LARGE = "too large"
    RETRY = "retry"  # the broker, the way to it, or the settings are at fault


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A 207 by entity: done ids, refused ids with a reason, ids to try again with a reason."""

    taken: frozenset[str]
    refused: dict[str, str]
    retry: dict[str, str]


SETTINGS_HINTS = {
    401: "the broker wants a (better) token: set `token`",
    403: "the token may not write here: check its rights and the tenant",
    404: "no NGSI-LD interface or no such tenant here: check `url` and `tenant`",
    405: "no batch interface here: check `url`",
    406: "the broker does not answer JSON: check `url`",
    415: "the broker refuses this encoding: set `encoding` to the other one",
}


def judge(answer: httpx.Response) -> Verdict:
    """Return the verdict on a whole answer."""
    status = answer.status_code
    if status == 207:
        return Verdict.MIXED
    if 200 <= status < 300:
        return Verdict.TAKEN
    if status == 413:
        return Verdict.TOO_LARGE
    if status in (400, 409, 422) and "LdContextNotAvailable" not in answer.text[:2000]:
        return Verdict.REFUSED
    return Verdict.RETRY


def reason(answer: httpx.Response) -> str:
    """Return an answer as one line: status, the problem's title and detail, and a hint for settings."""
    parts = [f"HTTP {answer.status_code}"]
    if answer.is_redirect:
        parts.append(sends_elsewhere(answer))
    elif answer.status_code in SETTINGS_HINTS:
        parts.append(SETTINGS_HINTS[answer.status_code])
    parts.append(_problem_text(_json(answer)) or " ".join(answer.text.split())[:200])
    return ": ".join(part for part in parts if part)


def batch_result(answer: httpx.Response) -> BatchResult:
    """Return a 207 by entity; ids that are in no list are the caller's to ask again about."""
    taken: set[str] = set()
    refused: dict[str, str] = {}
    retry: dict[str, str] = {}
    body = _object(_json(answer))
    for item in _list(body.get("success")):
        name = item if isinstance(item, str) else _object(item).get("id")
        if isinstance(name, str):
            taken.add(name)
    for item in map(_object, _list(body.get("errors"))):
        name = item.get("entityId")
        if isinstance(name, str):
            error = item.get("error")
            why = _problem_text(error) or "refused without a reason"
            (retry if _is_passing(error) else refused)[name] = why
    return BatchResult(frozenset(taken - refused.keys() - retry.keys()), refused, retry)


def _is_passing(error: Any) -> bool:
    status, kind = _object(error).get("status"), str(_object(error).get("type", ""))
    by_status = isinstance(status, int) and (status >= 500 or status in (408, 429))
    return by_status or kind.endswith(("InternalError", "LdContextNotAvailable"))


def _problem_text(problem: Any) -> str:
    if isinstance(problem, str):
        return problem[:300]
    words = [str(_object(problem)[key]) for key in ("title", "detail") if _object(problem).get(key)]
    return " ".join(" ".join(words).split())[:300]


def _json(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.text)
    except ValueError:
        return None


def _object(value: Any) -> dict[str, Any]:
    """Return a JSON object as it is, anything else as an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
