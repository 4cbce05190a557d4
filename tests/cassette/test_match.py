"""Which requests are the same, whoever wrote them."""

from urllib.parse import quote, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltask_fixtures.cassette.match import key_of

SAME = {
    "host": ("GET", "http://a:9200/x", b"", "GET", "https://b/x", None),
    "user": ("GET", "http://me:pass@a/x", None, "GET", "http://a/x", None),
    "method": ("get", "http://a/x", None, "GET", "http://a/x", None),
    "root": ("GET", "http://a", None, "GET", "http://a/", None),
    "order": ("GET", "http://a/x?b=2&a=1", None, "GET", "http://a/x?a=1&b=2", None),
    "escaped path": ("GET", "http://a/%7Ex/%C3%A9", None, "GET", "http://a/~x/é", None),
    "escaped query": ("GET", "http://a/x?h=name%2Cversion", None, "GET", "http://a/x?h=name,version", None),
    "plus": ("GET", "http://a/x?q=a+b", None, "GET", "http://a/x?q=a%20b", None),
    "fragment": ("GET", "http://a/x#here", None, "GET", "http://a/x", None),
    "spaced body": (
        "POST",
        "http://a/i/_search",
        b'{"a": 1, "b": "\\u00e9"}',
        "POST",
        "http://a/i/_search",
        '{"b":"é","a":1}'.encode(),
    ),
    "lines": ("POST", "http://a/_msearch", b'{}\n{"a": 1}\n', "POST", "http://a/_msearch", b'{}\n{"a":1}\n'),
    "body of a change": ("POST", "http://a/models/_register", b"1", "POST", "http://a/models/_register", b"2"),
}
DIFFERENT = {
    "method": ("GET", "http://a/x", None, "HEAD", "http://a/x", None),
    "path": ("GET", "http://a/x", None, "GET", "http://a/y", None),
    "query": ("GET", "http://a/x?a=1", None, "GET", "http://a/x?a=2", None),
    "no query": ("GET", "http://a/x?a=1", None, "GET", "http://a/x", None),
    "escaped ampersand": ("GET", "http://a/x?a=1%26b=2", None, "GET", "http://a/x?a=1&b=2", None),
    "escaped equals": ("GET", "http://a/x?a%3D1", None, "GET", "http://a/x?a=1", None),
    "searched body": ("POST", "http://a/_search", b'{"a":1}', "POST", "http://a/_search", b'{"a":2}'),
    "counted body": ("POST", "http://a/_count", b'{"a":1}', "POST", "http://a/_count", b""),
    "order of lines": (
        "POST",
        "http://a/_msearch",
        b'{"a":1}\n{"b":1}',
        "POST",
        "http://a/_msearch",
        b'{"b":1}\n{"a":1}',
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_requests_that_are_the_same(case):
    """What a server would answer alike has one key."""
    one, other = SAME[case][:3], SAME[case][3:]
    assert key_of(*one) == key_of(*other)


@pytest.mark.parametrize("case", DIFFERENT)
def test_requests_that_differ(case):
    """What a server may answer differently has two."""
    one, other = DIFFERENT[case][:3], DIFFERENT[case][3:]
    assert key_of(*one) != key_of(*other)


def test_a_search_may_be_repeated_and_a_change_may_not():
    """The last answer holds for what changes nothing: reading methods, and searches that are posted."""
    assert key_of("GET", "http://a/x", None).repeatable
    assert key_of("POST", "http://a/_search", b"{}").repeatable
    assert not key_of("POST", "http://a/_train/kmeans", b"{}").repeatable
    assert not key_of("DELETE", "http://a/x", None).repeatable


@given(
    st.sampled_from(["http", "https", "h+s"]),
    st.text(max_size=20),
    st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), max_size=4),
)
def test_path_and_query_are_those_of_the_standard_library(scheme, path, query):
    """The quick expression cuts a URL where `urlsplit` does."""
    uri = f"{scheme}://host:9200/{quote(path)}?{urlencode(query)}"
    key = key_of("GET", uri, None)
    assert key.path == f"/{path}"
    assert key.query.count("&") == max(0, len(query) - 1)
    assert bool(key.query) == bool(urlsplit(uri).query)


@given(st.text(max_size=60))
def test_any_text_has_a_key(uri):
    """A client may ask for nonsense; it is then not found, and the error can be shown."""
    assert str(key_of("GET", uri, None)).startswith("GET ")
