"""Progress and usage in response bodies, whatever the borders of the chunks."""

import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.host.signs import ProgressScan, UsageScan

LINES = ["data: {}", "data:x", "data:", "data:   ", ": data: no", "event: data:", "", "x data: y"]
CONTENT = {"data: {}", "data:x"}


@given(
    lines=st.lists(st.sampled_from(LINES), max_size=12),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(0, 200), max_size=10),
)
def test_content_is_found_across_any_borders(lines: list[str], end: str, cuts: list[int]) -> None:
    body = "".join(line + end for line in lines).encode()
    borders = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    scan = ProgressScan(sse=True)

    found = [scan.feed(body[a:b]) for a, b in itertools.pairwise(borders)]

    assert any(found) == any(line in CONTENT for line in lines)
    assert not scan.done


@pytest.mark.parametrize("cut", range(1, 18))
def test_the_end_of_a_stream_is_seen_across_any_border(cut: int) -> None:
    body = b"data: [DONE]\n\ndata"
    scan = ProgressScan(sse=True)
    scan.feed(body[:cut])
    scan.feed(body[cut:])
    assert scan.done


def test_a_done_inside_of_text_is_none() -> None:
    scan = ProgressScan(sse=True)
    assert scan.feed(b'data: {"content": "data: [DONE]"}\n\n')
    assert not scan.done


def test_whitespace_is_no_progress() -> None:
    scan = ProgressScan(sse=False)
    assert not scan.feed(b" \r\n ")
    assert not scan.feed(b"")
    assert scan.feed(b" {")


@given(st.lists(st.integers(0, 300), max_size=8), st.integers(0, 10**9), st.integers(0, 10**9))
def test_usage_is_found_across_any_borders(cuts: list[int], came_in: int, went_out: int) -> None:
    body = (
        'data: {"choices": [{"delta": {"content": "\\"usage\\": {\\"prompt_tokens\\": 5}"}}],'
        '"usage": null}\n\ndata: '
        + json.dumps(
            {"choices": [], "usage": {"prompt_tokens": came_in, "completion_tokens": went_out}}
        )
        + "\n\ndata: [DONE]\n\n"
    ).encode()
    borders = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    scan = UsageScan()

    for a, b in itertools.pairwise(borders):
        scan.feed(body[a:b])

    assert (scan.tokens_in, scan.tokens_out) == (came_in, went_out)


def test_responses_name_tokens_differently() -> None:
    scan = UsageScan()
    scan.feed(b'{"usage": {"input_tokens": 3, "output_tokens": 4}, "x": 1}')
    assert (scan.tokens_in, scan.tokens_out) == (3, 4)


def test_a_hostile_body_is_read_in_linear_time_and_little_memory() -> None:
    """4 MB of the worst shapes, byte by byte at the borders."""
    started = time.process_time()
    for shape in (b"data:" + b" " * 65531, b"data:" * 13107, b'"usage"' * 9362, b"\r" * 65536):
        progress, usage = ProgressScan(sse=True), UsageScan()
        for _ in range(16):
            progress.feed(shape)
            usage.feed(shape)
        assert len(progress._line) <= 16
        assert len(usage._kept) <= 1024
    assert time.process_time() - started < 3
