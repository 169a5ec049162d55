"""Whatever a broker answers, it is read to the end: fuzzed, and the cases of GS CIM 009 one by one."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.publish.ngsi_ld.answers import Verdict, batch_result, judge, reason
from gateway.publish.posting import retry_after_s

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["success", "errors", "entityId", "error", "status", "type", "title", "detail", "id"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()),
    after=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
)
def test_any_answer_has_a_verdict_and_a_line_of_text(status: int, body: bytes, after: str) -> None:
    answer = httpx.Response(status, headers={"retry-after": after, "date": after}, content=body)
    assert judge(answer) in Verdict
    assert "\n" not in reason(answer)
    assert len(reason(answer)) < 600
    wait = retry_after_s(answer)
    assert wait is None or wait >= 0
    result = batch_result(answer)
    assert not result.taken & (result.refused.keys() | result.retry.keys())


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.TAKEN), (201, Verdict.TAKEN), (204, Verdict.TAKEN), (207, Verdict.MIXED),
        (301, Verdict.RETRY), (400, Verdict.REFUSED), (401, Verdict.RETRY), (403, Verdict.RETRY),
        (404, Verdict.RETRY), (408, Verdict.RETRY), (409, Verdict.REFUSED), (413, Verdict.TOO_LARGE),
        (415, Verdict.RETRY), (422, Verdict.REFUSED), (429, Verdict.RETRY), (500, Verdict.RETRY),
        (501, Verdict.RETRY), (503, Verdict.RETRY),
    ],
)  # fmt: skip
def test_verdicts(status: int, verdict: Verdict) -> None:
    assert judge(httpx.Response(status)) is verdict


def test_a_207_is_read_by_entity() -> None:
    body: dict[str, Any] = {
        "success": ["urn:a", {"id": "urn:b"}, 7],
        "errors": [
            {"entityId": "urn:c", "error": {"status": 400, "title": "Bad", "detail": "pm25\n is text"}},
            {"entityId": "urn:d", "error": {"status": 503, "title": "Busy"}},
            {"entityId": "urn:e", "error": {"type": "https://uri.etsi.org/ngsi-ld/errors/InternalError"}},
            {"entityId": "urn:a", "error": {"title": "both lists"}},
            "nonsense",
        ],
    }
    result = batch_result(httpx.Response(207, json=body))
    assert result.taken == {"urn:b"}
    assert result.refused == {"urn:c": "Bad pm25 is text", "urn:a": "both lists"}
    assert result.retry == {"urn:d": "Busy", "urn:e": "refused without a reason"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:27:00 GMT"}, 60),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_as_seconds_or_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(httpx.Response(503, headers=headers)) == seconds


def test_a_settings_fault_is_explained() -> None:
    assert "check `url` and `tenant`" in reason(httpx.Response(404))
    assert "set `url` to the final address" in reason(httpx.Response(302, headers={"location": "/x"}))
