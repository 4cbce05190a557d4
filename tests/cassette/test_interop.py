"""Our files under plain vcrpy, and under pytest-recording."""

import gzip
import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import vcr

from mltask_fixtures.cassette import DamagedCassetteError, SecretFoundError, join_vcr, store
from mltask_fixtures.cassette import format as our_format

NAME = "3.6.0/train-missing-index-failed"
LARGE = b"a" * (our_format.LARGE_BODY + 1)


@pytest.fixture
def answering():
    """A server that gives the body it was told to."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.server.body)))
            self.end_headers()
            self.wfile.write(self.server.body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.body = b'{"state":"COMPLETED"}'
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


def get(url, data=None, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method="GET")) as answer:
        return answer.read()


@pytest.mark.parametrize("name", store.bundled())
def test_plain_vcrpy_reads_ours_with_one_serializer(name):
    """Registered, the module is enough: the same requests, answers and metadata."""
    mine = vcr.VCR(serializer="mltask", record_mode="none")
    mine.register_serializer("mltask", our_format)
    path = store.find(name)
    with mine.use_cassette(str(path)) as cassette:
        expected = store.read(path)["interactions"]
        assert [request.uri for request in cassette.requests] == [one["request"]["uri"] for one in expected]
        assert [request.body for request in cassette.requests] == [one["request"]["body"] for one in expected]
        assert [one["body"] for one in cassette.responses] == [one["response"]["body"] for one in expected]
        assert cassette._metadata["scenario"]


def test_plain_vcrpy_replays_ours():
    """A client under vcrpy gets the recorded answer."""
    mine = vcr.VCR(serializer="mltask", record_mode="none")
    mine.register_serializer("mltask", our_format)
    path = store.find(NAME)
    poll = next(one for one in store.read(path)["interactions"] if one["request"]["method"] == "GET")
    with mine.use_cassette(str(path)):
        assert get(poll["request"]["uri"]) == poll["response"]["body"]["string"]


def test_joined_it_reads_side_files_and_writes_them(tmp_path, answering):
    """With the persister, large bodies lie beside the cassette."""
    answering.body = LARGE
    mine = vcr.VCR(serializer="mltask", record_mode="once")
    join_vcr(mine)
    path = tmp_path / "c.json"
    with mine.use_cassette(str(path)):
        get(answering.url)
    assert [file.name for file in store.bodies_of(path).iterdir()] == [our_format.name_of(LARGE)]
    with mine.use_cassette(str(path)) as cassette:
        assert get(answering.url) == LARGE
        assert cassette.all_played


def test_joined_it_writes_no_secret(tmp_path, answering):
    """What plain vcrpy would keep is removed."""
    mine = vcr.VCR(serializer="json", record_mode="once")
    join_vcr(mine)
    with mine.use_cassette(str(tmp_path / "c.json")):
        get(answering.url + "/?api_key=hunter2", Authorization="Bearer hunter2")
    assert "hunter2" not in (tmp_path / "c.json").read_text()
    assert not store.edited(tmp_path / "c.json")


def test_joined_it_looks_into_a_compressed_request(tmp_path, answering):
    """A secret in it is removed, and what is kept is not compressed."""
    mine = vcr.VCR(serializer="mltask", record_mode="once")
    join_vcr(mine)
    sent = gzip.compress(b'{"password":"hunter2"}')
    with mine.use_cassette(str(tmp_path / "c.json")):
        get(answering.url, sent, **{"Content-Encoding": "gzip"})
    (one,) = store.read(tmp_path / "c.json")["interactions"]
    assert one["request"]["body"] == b'{"password":"REDACTED"}'
    assert "content-encoding" not in map(str.lower, one["request"]["headers"])


def test_joined_it_refuses_what_looks_like_a_secret(tmp_path, answering):
    """And nothing is written."""
    answering.body = b'{"note":"sk-%s"}' % (b"a1B2c3D4" * 6)
    mine = vcr.VCR(serializer="mltask", record_mode="once")
    join_vcr(mine)
    using = mine.use_cassette(str(tmp_path / "c.json"))
    with pytest.raises(SecretFoundError, match=r"interaction 1 \(GET /\): response\.body\.note"), using:
        get(answering.url)
    assert list(tmp_path.iterdir()) == []
    # vcrpy puts the clients back when its context is collected; other tests must not wait for that.
    using._CassetteContextDecorator__finish.close()


def test_joined_it_overwrites_no_damaged_file(tmp_path, answering):
    """Where vcrpy records over what it cannot read, this is an error."""
    (tmp_path / "c.json").write_bytes(b'{"interactions": [\xff')
    mine = vcr.VCR(serializer="mltask", record_mode="once")
    join_vcr(mine)
    with pytest.raises(DamagedCassetteError), mine.use_cassette(str(tmp_path / "c.json")):
        get(answering.url)
    assert (tmp_path / "c.json").read_bytes() == b'{"interactions": [\xff'


def test_joined_its_other_serializers_go_where_they_went(tmp_path, answering):
    """YAML is vcrpy's still."""
    mine = vcr.VCR(serializer="yaml", record_mode="once")
    join_vcr(mine)
    with mine.use_cassette(str(tmp_path / "c.yaml")):
        get(answering.url)
    with mine.use_cassette(str(tmp_path / "c.yaml")):
        assert get(answering.url) == answering.body
    assert "interactions:" in (tmp_path / "c.yaml").read_text()


def test_joined_it_reads_vcrpys_json(tmp_path, answering):
    """Cassettes that vcrpy's own serializer wrote go on to work."""
    plain = vcr.VCR(serializer="json", record_mode="once")
    with plain.use_cassette(str(tmp_path / "c.json")):
        get(answering.url)
    mine = vcr.VCR(serializer="json", record_mode="none")
    join_vcr(mine)
    with mine.use_cassette(str(tmp_path / "c.json")):
        assert get(answering.url) == answering.body


RECORDING = """
    import pytest
    from mltask_fixtures.cassette import join_vcr, store

    def pytest_recording_configure(config, vcr):
        join_vcr(vcr)

    @pytest.fixture(scope="module")
    def vcr_config():
        return {"serializer": "json"}
"""


def test_a_user_of_pytest_recording_joins_through_its_hook(pytester, answering):
    """It records into our format and replays from it, with bundled recordings as more files of its marker."""
    path = store.find(NAME)
    poll = next(one for one in store.read(path)["interactions"] if one["request"]["method"] == "GET")
    pytester.makeconftest(RECORDING)
    pytester.makepyfile(
        test_it=f"""
        import urllib.request
        import pytest

        def get(url):
            request = urllib.request.Request(url, headers={{"Authorization": "Basic hunter2"}})
            with urllib.request.urlopen(request) as answer:
                return answer.read()

        @pytest.mark.vcr
        def test_own():
            assert get({answering.url!r}) == b'{{"state":"COMPLETED"}}'

        @pytest.mark.vcr({str(path)!r})
        def test_bundled():
            assert get({poll["request"]["uri"]!r}) == {poll["response"]["body"]["string"]!r}
        """
    )
    words = ("-p", "no:randomly", "-p", "no:cassetter")
    result = pytester.runpytest_subprocess(*words, "--record-mode=once", "-k", "own")
    result.assert_outcomes(passed=1, deselected=1)
    written = pytester.path / "cassettes" / "test_it" / "test_own.json"
    assert "hunter2" not in written.read_text()
    (one,) = json.loads(written.read_text())["interactions"]
    assert one["response"]["body"] == {"json": {"state": "COMPLETED"}}
    answering.body = b"changed"
    pytester.runpytest_subprocess(*words, "--block-network").assert_outcomes(passed=2)
