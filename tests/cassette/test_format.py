"""The file: readable, byte-exact, and whatever vcrpy ever wrote is read."""

import base64
import gzip
import json

import pytest
import vcr
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette import store
from mltask_fixtures.contract.wire import encode

NAMES = st.text(st.characters(codec="ascii", categories=("Lu", "Ll", "Nd")), min_size=1, max_size=20)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=("Cc",)), max_size=40)
HEADERS = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
CONTAINERS = st.lists(JSON, max_size=4) | st.dictionaries(st.text(max_size=12), JSON, max_size=4)


def cassette(body=b"", *, headers=None, asked=None, status=200):
    """One exchange in vcrpy's dict, as our reader gives it."""
    return {
        "version": 1,
        "interactions": [
            {
                "request": {"method": "POST", "uri": "http://h/x", "headers": headers or {}, "body": asked},
                "response": {
                    "status": {"code": status, "message": "OK"},
                    "headers": headers or {},
                    "body": {"string": body},
                },
            }
        ],
    }


def once_around(values):
    return our_format.deserialize(our_format.serialize(values))


def as_stored(body):
    return json.loads(our_format.serialize(cassette(body)))["interactions"][0]["response"]["body"]


@settings(deadline=None)
@given(st.binary(max_size=300), st.none() | st.binary(max_size=100))
def test_any_bytes_survive(body, asked):
    """Bodies of any bytes come back the same, on both sides."""
    values = cassette(body, asked=asked)
    assert once_around(values) == values


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_survives(text):
    """So does text, whatever characters are in it."""
    values = cassette(text.encode())
    assert once_around(values) == values


@settings(deadline=None)
@given(CONTAINERS, st.sampled_from(list(our_format.WRITERS)))
def test_json_survives_to_the_byte_whoever_wrote_it(value, writer):
    """JSON is stored as values only where that gives back the same bytes."""
    text = our_format.write_json("json", value, writer)
    if text is not None and text.isprintable():
        values = cassette(text.encode())
        assert once_around(values) == values


@settings(deadline=None)
@given(HEADERS)
def test_any_headers_survive(headers):
    """Headers come back in their order, with every value."""
    values = cassette(headers=headers)
    read = once_around(values)
    assert read == values
    assert list(read["interactions"][0]["response"]["headers"]) == list(headers)


@settings(deadline=None)
@given(JSON)
def test_the_fast_writer_writes_what_the_server_would(value):
    """The short way to OpenSearch's bytes gives the bytes of the long way."""
    try:
        expected = encode(value)
    except ValueError:
        return
    assert our_format.WRITERS["compact"](value) == expected


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        (b'{"state":"RUNNING","create_time":1}', {"json": {"state": "RUNNING", "create_time": 1}}),
        (b'{"state": "RUNNING"}', {"json": {"state": "RUNNING"}, "written": "spaced"}),
        (b'{"a":"\\u00f6"}', {"json": {"a": "ö"}, "written": "compact ascii"}),
        (b'{"index":{}}\n{"a":1}\n', {"lines": [{"index": {}}, {"a": 1}]}),
        (b'{\n  "took" : 1\n}\n', {"json": {"took": 1}, "written": "pretty"}),
        (b'{"a":1,"a":2}', {"string": '{"a":1,"a":2}'}),
        (b'{"a":1.50}', {"string": '{"a":1.50}'}),
        (b'{"a":1e400}', {"string": '{"a":1e400}'}),
        (b'{"a":NaN}', {"string": '{"a":NaN}'}),
        (b"acknowledged", {"string": "acknowledged"}),
        (b"\xff\xfe", {"base64": "//4="}),
    ],
)
def test_a_body_is_as_readable_as_it_can_be(body, stored):
    """Values where they say the same bytes, text where they do not, base64 where it is no text."""
    assert as_stored(body) == stored
    assert once_around(cassette(body)) == cassette(body)


def test_a_header_with_one_value_is_one_line():
    """A list stands only where there are several values."""
    values = cassette(headers={"content-type": ["application/json"], "x": ["1", "2"]})
    written = json.loads(our_format.serialize(values))["interactions"][0]["request"]["headers"]
    assert written == {"content-type": "application/json", "x": ["1", "2"]}


def test_nothing_is_written_in_another_way_the_second_time():
    """Reading and writing a bundled recording changes no byte."""
    for name in store.bundled():
        text = store.find(name).read_text("utf-8")
        assert our_format.packed(our_format.deserialize(text))[0] == text


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("body", [b'{"a":[],"b":{}}', b'{"a":"\\ud800"}', b"\xff", b"text", None])
def test_piece_by_piece_it_is_written_as_at_once(body, count):
    """The same text, with whatever bodies."""
    values = {**cassette(), "interactions": cassette(body)["interactions"] * count}
    text, _ = our_format.packed(values)
    metadata = json.loads(text)["metadata"]
    assert text == our_format.serialize({"version": 1, "metadata": metadata, "interactions": values["interactions"]})


# ------------------------------------------------------------------------------------------------- what vcrpy ever wrote

BODY = '{"state":"COMPLETED","note":"ö"}'
PACKED = gzip.compress(BODY.encode(), mtime=0)
REQUEST = {"method": "GET", "uri": "http://h:9200/a", "headers": {"accept": ["*/*"]}, "body": None}
STATUS = {"code": 200, "message": "OK"}


def answer(body, headers=None):
    return {"status": STATUS, "headers": headers or {"content-type": ["application/json"]}, "body": body}


FORMS = {
    "a text": (REQUEST, answer({"string": BODY})),
    "bytes": (REQUEST, answer({"string": BODY.encode()})),
    "headers as texts": (
        {**REQUEST, "headers": {"accept": "*/*"}},
        answer({"string": BODY}, {"content-type": "application/json"}),
    ),
    "headers as lines": (REQUEST, answer({"string": BODY}, ["content-type: application/json"])),
    "headers as bytes": (REQUEST, answer({"string": BODY}, {"content-type": [b"application/json"]})),
    "no message": (REQUEST, {**answer({"string": BODY}), "status": {"code": 200, "message": None}}),
    "a url beside": (REQUEST, {**answer({"string": BODY}), "url": "http://h:9200/a"}),
    "httpx before 6": (
        REQUEST,
        {
            "status_code": 200,
            "http_version": "HTTP/1.1",
            "headers": {"content-type": ["application/json"]},
            "content": BODY,
        },
    ),
    "no body": ({**REQUEST, "body": ""}, answer({"string": None})),
    "a body of base64": (REQUEST, answer({"base64_string": base64.b64encode(BODY.encode()).decode()})),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_any_form_of_vcrpys_is_read(tmp_path, form, suffix):
    """Each form in which a version of vcrpy wrote an exchange gives the same bytes."""
    request, response = FORMS[form]
    values = {"version": 1, "interactions": [{"request": request, "response": response}]}
    path = tmp_path / f"c.{suffix}"
    if suffix == "yaml":
        path.write_text(yaml.dump(values), "utf-8")
    elif form not in ("bytes", "headers as bytes"):
        path.write_text(json.dumps(values), "utf-8")
    else:
        return  # JSON has no bytes
    one = store.read(path)["interactions"][0]
    assert one["response"]["body"]["string"] == (b"" if form == "no body" else BODY.encode())
    assert one["response"]["status"]["code"] == 200
    assert one["response"]["headers"] == {"content-type": ["application/json"]}
    assert one["request"]["headers"] == {"accept": ["*/*"]}


def test_a_compressed_body_of_vcrpys_is_read(tmp_path):
    """The bytes stay as they are; undoing the compression is the replay's."""
    values = {
        "version": 1,
        "interactions": [{"request": REQUEST, "response": answer({"string": PACKED}, {"content-encoding": ["gzip"]})}],
    }
    (tmp_path / "c.yaml").write_text(yaml.dump(values), "utf-8")
    assert store.read(tmp_path / "c.yaml")["interactions"][0]["response"]["body"]["string"] == PACKED


OLD = """- !!python/object:vcr.request.Request
  request: !!python/object:vcr.request.Request
    body: null
    headers: !!python/object/apply:__builtin__.frozenset
    - - !!python/tuple [Accept, '*/*']
    host: h
    method: GET
    path: /a
    port: 9200
    protocol: http
  response:
    body: {string: !!python/unicode 'hello'}
    headers: ["content-type: text/plain\\r\\n"]
    status: {code: 200, message: OK}
"""


def test_a_file_of_vcrpy_before_1_0_is_read(tmp_path):
    """A list of exchanges, with the parts of the URL apart."""
    (tmp_path / "c.yaml").write_text(OLD, "utf-8")
    (one,) = store.read(tmp_path / "c.yaml")["interactions"]
    assert one["request"] == {"method": "GET", "uri": "http://h:9200/a", "body": None, "headers": {"Accept": ["*/*"]}}
    assert one["response"]["body"] == {"string": b"hello"}
    assert one["response"]["headers"] == {"content-type": ["text/plain"]}


TAGGED = """version: 1
interactions:
- request:
    method: POST
    uri: http://h/a
    headers: {}
    body: BODY
  response:
    status: {code: 200, message: OK}
    headers: {}
    body: {string: !!python/str 'x'}
"""


@pytest.mark.parametrize(
    "body",
    [
        "!!python/object/new:_io.BytesIO\n      state: !!python/tuple [!!binary aGVsbG8=, 0, null]",
        "!!python/object/apply:builtins.iter\n      args: [[!!binary aGU=, !!binary bGxv]]",
        "!!binary aGVsbG8=",
        "[!!binary aGVs, !!binary bG8=]",
    ],
)
def test_bodies_of_files_and_iterators_are_read(tmp_path, body):
    """What a request streamed is one body."""
    (tmp_path / "c.yaml").write_text(TAGGED.replace("BODY", body), "utf-8")
    assert store.read(tmp_path / "c.yaml")["interactions"][0]["request"]["body"] == b"hello"


@pytest.mark.parametrize("serializer", ["json", "yaml"])
def test_what_vcrpy_writes_today_is_read(tmp_path, serializer):
    """A cassette that vcrpy itself saves, read by us."""
    from vcr.request import Request

    mine = vcr.VCR(serializer=serializer, record_mode="new_episodes")
    path = tmp_path / f"c.{serializer}"
    with mine.use_cassette(str(path)) as recorded:
        recorded.append(Request("POST", "http://h/a", b'{"a":1}', {"accept": "*/*"}), answer({"string": BODY.encode()}))
    (one,) = store.read(path)["interactions"]
    assert one["request"] == {"method": "POST", "uri": "http://h/a", "body": b'{"a":1}', "headers": {"accept": ["*/*"]}}
    assert one["response"] == answer({"string": BODY.encode()})


# ------------------------------------------------------------------------------------------------------------- side files


def test_large_bodies_lie_beside_the_text():
    """What is above the limit is not in the text, and what is not above is."""
    small, large = b"a" * our_format.LARGE_BODY, b"b" * (our_format.LARGE_BODY + 1)
    text, bodies = our_format.packed(cassette(large, asked=small))
    assert bodies == {our_format.name_of(large): large}
    assert '"bbb' not in text
    assert (
        our_format.deserialize(text, lambda name, size: bodies[name][:size])["interactions"]
        == cassette(large, asked=small)["interactions"]
    )


def test_a_serializer_alone_says_what_it_lacks():
    """A serializer of vcrpy is given a text and no place, so it cannot find a side file; the error says what can."""
    text, _ = our_format.packed(cassette(b"b" * (our_format.LARGE_BODY + 1)))
    with pytest.raises(ValueError, match=r"interaction 1: its body is in the side file .*join_vcr"):
        our_format.deserialize(text)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "x.body", "a" * 64, 5, None])
def test_a_side_file_has_no_other_name_than_its_hash(name):
    """No name leads out of the folder."""
    text = json.dumps(
        {"version": 1, "interactions": [{"request": REQUEST, "response": answer({"file": name, "bytes": 1})}]}
    )
    with pytest.raises(ValueError, match="interaction 1: a side file is named by its SHA-256"):
        our_format.deserialize(text, lambda name, size: b"")


# ------------------------------------------------------------------------------------------------------------ no cassette


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.pop("request"), "interaction 1: has no 'request'"),
        (lambda one: one["request"].pop("headers"), "interaction 1: has no 'headers'"),
        (lambda one: one["request"].update(uri=5), "interaction 1: a request's uri is a text, not 5"),
        (lambda one: one["request"].update(method=None), "interaction 1: a request's method is a text, not None"),
        (lambda one: one["request"].update(body=5), "interaction 1: a body is a text or bytes, not 5"),
        (lambda one: one["response"].update(status=200), "interaction 1: "),
        (lambda one: one["response"]["status"].update(code="x"), "interaction 1: invalid literal"),
        (lambda one: one["response"].update(headers=5), "interaction 1: "),
        (lambda one: one["response"].update(headers={"a": [None]}), "interaction 1: a header's value is a text"),
        (lambda one: one["response"].update(body={"base64": "!"}), "interaction 1: "),
        (lambda one: one["response"].update(body={"json": 1, "written": "x"}), "interaction 1: has no 'x'"),
        (lambda one: one["response"].update(body={"lines": 5}), "interaction 1: "),
        (lambda one: one.update(recorded_ms="soon"), "interaction 1: could not convert"),
    ],
)
def test_what_is_no_exchange_is_named(change, said):
    """The error says in which interaction, and what is wrong there."""
    values = json.loads(our_format.serialize(cassette(b"x", headers={"a": ["b"]})))
    change(values["interactions"][0])
    with pytest.raises(ValueError) as error:  # noqa: PT011 - its text is what is looked at
        our_format.deserialize(json.dumps(values))
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    "text", ["[]", "5", "null", '{"a": 1}', '{"interactions": 5}', '{"interactions": [], "metadata": 5}']
)
def test_what_is_no_cassette_is_said_to_be_none(text):
    """Any other JSON is refused in words."""
    with pytest.raises(ValueError, match=r"a cassette is|metadata is"):
        our_format.deserialize(text)


def test_an_edit_shows_and_spaces_do_not():
    """The digest is over what the file says, not over how it is laid out."""
    text, _ = our_format.packed(cassette(b'{"state":"RUNNING"}'))
    assert not our_format.edited(text)
    assert not our_format.edited(json.dumps(json.loads(text)))
    assert our_format.edited(text.replace("RUNNING", "CREATED"))
    assert not our_format.edited(our_format.serialize(cassette(b"x")))
