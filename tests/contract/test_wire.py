"""The text is Java's, byte for byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltask_fixtures.contract.wire import encode, in_map_order, map_order

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.7e9, "1.7E9"),
        (1725496531.935e6, "1.725496531935E15"),
        (2.0, "2.0"),
        (12345678901.0, "1.2345678901E10"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (0.001, "0.001"),
        (0.0009999, "9.999E-4"),
        (-0.0, "-0.0"),
        (5e-324, "4.9E-324"),
        (-1.5e300, "-1.5E300"),
        (10**30, "1" + "0" * 30),
        ("a\u001f/\u007f\u2028ö", '"a\\u001F/\u007f\u2028ö"'),
        ('"\\\b\t\n\f\r', '"\\"\\\\\\b\\t\\n\\f\\r"'),
        ("😀", '"\\uD83D\\uDE00"'),
        ({"a": None, "b": [True, False, {}]}, '{"a":null,"b":[true,false,{}]}'),
    ],
)
def test_values_are_written_as_java_writes_them(value, text):
    """Numbers, escapes and characters beyond the basic plane have Java's form."""
    assert encode(value) == text


@given(JSON)
def test_what_is_written_reads_back(value):
    """Any JSON value comes back equal."""
    assert json.loads(encode(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x"])
def test_what_json_lacks_is_refused(value):
    """NaN, infinities, sets and bytes are errors, never text."""
    with pytest.raises((TypeError, ValueError), match="JSON has no"):
        encode(value)


def test_map_order_is_that_of_a_published_batch_job():
    """The twenty keys of a published batch job come in the order of their buckets."""
    published = [
        "cancelled_at", "metadata", "request_counts", "input_file_id", "output_file_id", "error_file_id", "created_at",
        "in_progress_at", "expired_at", "finalizing_at", "completed_at", "endpoint", "expires_at", "cancelling_at",
        "completion_window", "id", "failed_at", "errors", "object", "status",
    ]  # fmt: skip
    assert map_order(published) == published
    assert map_order(["object", "errors", "id"]) == ["id", "errors", "object"]


@given(st.dictionaries(TEXT, st.integers(), max_size=40))
def test_map_order_loses_and_repeats_nothing(mapping):
    """Ordering changes the order only, and twice is once."""
    ordered = in_map_order(mapping)
    assert ordered == mapping
    assert list(in_map_order(ordered)) == list(ordered)
