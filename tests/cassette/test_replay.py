"""What clients do besides asking once works in a replay as it does with a server."""

import asyncio
import http.client
import io
import ssl
import urllib.request
from contextlib import suppress

import aiohttp
import httpx
import pytest
import requests
import trustme
import urllib3
from opensearchpy import OpenSearch
from servers import LARGE, serving

from mltask_fixtures.cassette import NoRecordedAnswerError, load, use_cassette

_TLS = ssl.create_default_context()


@pytest.fixture
def both(server, tmp_path):
    """Run a function once while it is recorded and once in a replay; what it gives is compared."""

    def run(function, url=None):
        path = tmp_path / "made.json"
        with use_cassette(path, record="once"):
            recorded = function(url or server.url)
        asked = len(server.asked)
        with use_cassette(path):
            replayed = function(url or server.url)
        assert replayed == recorded
        assert len(server.asked) == asked
        return replayed

    return run


def _aiohttp(work):
    async def main():
        async with aiohttp.ClientSession() as session:
            return await work(session)

    return asyncio.run(main())


# ------------------------------------------------------------------------------------------------------ what is asked


def test_head_is_answered_without_a_body_and_with_its_length(both):
    """HEAD keeps the Content-Length of the body that is not there, under each client."""

    def ask(url):
        async def by_aiohttp(session):
            async with session.head(f"{url}/large") as response:
                return response.status, response.headers["Content-Length"], await response.read()

        with requests.head(f"{url}/large", timeout=9) as one, httpx.Client(verify=_TLS) as client:
            other = client.head(f"{url}/large")
            seen = [
                (one.status_code, one.headers["Content-Length"], one.content),
                (other.status_code, other.headers["Content-Length"], other.content),
                _aiohttp(by_aiohttp),
            ]
        with urllib.request.urlopen(urllib.request.Request(f"{url}/large", method="HEAD")) as response:
            return [*seen, (response.status, response.headers["Content-Length"], response.read())]

    assert both(ask) == [(200, str(len(LARGE)), b"")] * 4


def test_an_answer_without_content_has_none(both):
    """204 ends after its head."""

    def ask(url):
        async def by_aiohttp(session):
            async with session.get(f"{url}/empty") as response:
                return response.status, await response.read()

        one = requests.get(f"{url}/empty", timeout=9)
        with urllib.request.urlopen(f"{url}/empty") as response:
            other = response.status, response.read()
        return [(one.status_code, one.content), other, _aiohttp(by_aiohttp)]

    assert both(ask) == [(204, b"")] * 3


def test_redirects_are_followed_by_the_client_itself(both):
    """Each hop is an interaction of its own, and the history is the client's."""

    def ask(url):
        async def by_aiohttp(session):
            async with session.get(f"{url}/moved") as response:
                return [one.status for one in response.history], response.url.path

        one = requests.get(f"{url}/moved", timeout=9)
        with httpx.Client(verify=_TLS, follow_redirects=True) as client:
            two = client.get(f"{url}/moved")
        with urllib.request.urlopen(f"{url}/moved") as three:
            return [
                ([hop.status_code for hop in one.history], one.json()["path"]),
                ([hop.status_code for hop in two.history], two.json()["path"]),
                ([302], three.geturl().removeprefix(url)),
                _aiohttp(by_aiohttp),
            ]

    assert both(ask) == [([302], "/there")] * 4


def test_a_redirect_that_is_not_followed_is_shown(both):
    """The client's word counts."""
    assert both(lambda url: requests.get(f"{url}/moved", allow_redirects=False, timeout=9).status_code) == 302


def test_retries_see_the_recorded_failures(both, server):
    """A policy that retries 503 is answered by the 503 and then by what came after it."""

    def ask(url):
        retry = urllib3.Retry(total=3, status_forcelist=[503], backoff_factor=0)
        with requests.Session() as session:
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
            return session.get(f"{url}/busy", timeout=9).json()["count"]

    assert both(ask) == 2
    assert len(server.asked) == 2


def test_opensearch_py_retries_on_its_own(both):
    """Its transport asks again after a 503, and the replay has both answers."""

    def ask(url):
        with OpenSearch(url, max_retries=3) as client:
            return client.transport.perform_request("GET", "/busy")["count"]

    assert both(ask) == 2


@pytest.mark.parametrize(
    "body", [b'{"a":1}', '{"a":1}', io.BytesIO(b'{"a":1}'), [b'{"a"', b":1}"]], ids=["bytes", "text", "file", "parts"]
)
def test_request_bodies_of_every_kind_arrive_and_are_kept(body, server, tmp_path):
    """A file is wound back and an iterable is read once, yet the server gets it whole, and so does the recording."""
    path = tmp_path / "made.json"
    asked = iter(body) if isinstance(body, list) else body
    with use_cassette(path, record="once"):
        requests.post(f"{server.url}/x/_search", data=asked, timeout=9)
    assert server.asked == [("POST", "/x/_search", b'{"a":1}')]
    assert load(path).interactions[0].request.body == b'{"a":1}'
    with use_cassette(path):
        assert requests.post("http://any/x/_search", data='{ "a" : 1 }', timeout=9).json()["body"] == {"a": 1}


def test_uploads_of_unknown_length_are_read_once(server, tmp_path):
    """Asynchronous generators under aiohttp and httpx are sent, kept and matched."""
    path = tmp_path / "made.json"

    async def parts():
        yield b'{"a"'
        yield b":1}"

    async def ask(url):
        async with aiohttp.ClientSession() as session, session.post(f"{url}/x/_search", data=parts()) as response:
            one = await response.json()
        async with httpx.AsyncClient(verify=_TLS) as client:
            return one["body"], (await client.post(f"{url}/y/_search", content=parts())).json()["body"]

    with use_cassette(path, record="once"):
        assert asyncio.run(ask(server.url)) == ({"a": 1}, {"a": 1})
    with use_cassette(path):
        assert asyncio.run(ask("http://any")) == ({"a": 1}, {"a": 1})
    assert len(server.asked) == 2


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(both):
    """`Expect: 100-continue` is answered before the answer."""

    async def ask(session, url):
        async with session.post(f"{url}/x/_search", json={"a": 1}, expect100=True) as response:
            return (await response.json())["body"]

    assert both(lambda url: _aiohttp(lambda session: ask(session, url))) == {"a": 1}


# --------------------------------------------------------------------------------------------------- what is answered


def test_headers_that_come_twice_come_twice(both):
    """Each value of a repeated header is kept by itself, where the client can show them."""

    def ask(url):
        async def by_aiohttp(session):
            async with session.get(f"{url}/twice") as response:
                return response.headers.getall("X-Twice")

        with urllib3.PoolManager() as pool, httpx.Client(verify=_TLS) as client:
            return [
                pool.request("GET", f"{url}/twice").headers.getlist("X-Twice"),
                client.get(f"{url}/twice").headers.get_list("X-Twice"),
                _aiohttp(by_aiohttp),
            ]

    assert both(ask) == [["one", "two"]] * 3


def test_cookies_are_kept_in_the_session(server, tmp_path):
    """The cookies of a recorded answer are secrets, so the recording hides them; the session still has their names."""
    path = tmp_path / "made.json"

    def ask(url):
        with requests.Session() as session:
            session.get(f"{url}/twice", timeout=9)
            return session.cookies.get_dict()

    with use_cassette(path, record="once"):
        assert ask(server.url) == {"a": "1", "b": "2"}
    with use_cassette(path):
        assert ask(server.url) == {"a": "REDACTED", "b": "REDACTED"}
    assert "a=1; Path" not in path.read_text()


def test_large_bodies_arrive_whole_and_in_parts(both):
    """Two megabytes, read at once and as a stream of the client's own parts."""

    def ask(url):
        async def by_aiohttp(session):
            async with session.get(f"{url}/large") as response:
                return [len(part) async for part in response.content.iter_chunked(65_536)]

        with requests.get(f"{url}/large", stream=True, timeout=9) as response:
            one = list(response.iter_content(65_536))
        with httpx.Client(verify=_TLS) as client, client.stream("GET", f"{url}/large") as response:
            two = list(response.iter_bytes(65_536))
        assert b"".join(one) == b"".join(two) == LARGE
        with urllib.request.urlopen(f"{url}/large") as response:
            three = response.read(10), response.readline()[-4:], response.read()
        return len(one), len(two), three, sum(_aiohttp(by_aiohttp))

    assert both(ask)[:3] == (32, 32, (b"0123456789", b"cdef", b""))


def test_lines_are_read_as_they_come(both):
    """Reading by lines is what clients of streaming agents do."""

    def ask(url):
        with requests.get(f"{url}/lines", stream=True, timeout=9) as response:
            return list(response.iter_lines())

    assert len(both(ask)) == 1


def test_a_body_edited_by_hand_has_its_own_length(server, tmp_path):
    """Nobody counts bytes while editing a recording: the header of the length follows the body."""
    path = tmp_path / "made.json"
    with use_cassette(path, record="once"):
        requests.get(f"{server.url}/t/x", timeout=9)
    path.write_text(path.read_text().replace('"/t/x"', '"/a/longer/path"'))
    with use_cassette(path):
        response = requests.get("http://any/t/x", timeout=9)
    assert response.json()["path"] == "/a/longer/path"
    assert response.headers["Content-Length"] == str(len(response.content))


# -------------------------------------------------------------------------------------------------------- connections


def test_connections_are_not_carried_into_a_replay_or_out_of_it(server, tmp_path):
    """A session that was open before asks the cassette inside and the server again after."""
    path = tmp_path / "made.json"
    with use_cassette(path, record="once"):
        requests.get(f"{server.url}/t/x", timeout=9)
    host, port = server.server_address

    def by_http_client(connection):
        connection.request("GET", "/t/x")
        return connection.getresponse().read()

    with requests.Session() as one, httpx.Client(verify=_TLS) as two, OpenSearch(server.url) as three:
        connection = http.client.HTTPConnection(host, port)

        def ask():
            return [
                one.get(f"{server.url}/t/x", timeout=9).json()["count"],
                two.get(f"{server.url}/t/x").json()["count"],
                three.transport.perform_request("GET", "/t/x")["count"],
                int(by_http_client(connection).partition(b'"count": ')[2].rstrip(b"}")),
            ]

        assert ask() == [2, 3, 4, 5]
        with use_cassette(path):
            assert ask() == [1, 1, 1, 1]
        assert ask() == [6, 7, 8, 9]
        connection.close()


def test_an_aiohttp_session_lives_across_the_borders_of_a_cassette(server, tmp_path):
    """Its pool gives no connection of the replay to the server's requests, nor the other way round."""
    path = tmp_path / "made.json"

    async def main():
        async with aiohttp.ClientSession() as session:

            async def ask():
                async with session.get(f"{server.url}/t/x") as response:
                    return (await response.json())["count"]

            seen = [await ask()]
            with use_cassette(path, record="once"):
                seen.append(await ask())
            seen.append(await ask())
            with use_cassette(path):
                seen += [await ask(), await ask()]
            return [*seen, await ask()]

    assert asyncio.run(main()) == [1, 2, 3, 2, 2, 4]


def test_a_proxy_is_asked_when_recording_and_left_alone_in_replay(tmp_path):
    """A plain proxy gets the whole URL; the recording has it, and the replay needs no proxy."""
    path = tmp_path / "made.json"
    with serving() as proxy:
        proxies = {"http": proxy.url}
        with use_cassette(path, record="once"):
            requests.get("http://far.example/t/x", proxies=proxies, timeout=9)
            with httpx.Client(proxy=proxy.url, verify=_TLS) as client:
                client.get("http://far.example/t/y")
        assert [asked[1] for asked in proxy.asked] == ["http://far.example/t/x"] * 1 + ["http://far.example/t/y"]
    with use_cassette(path):
        assert requests.get("http://far.example/t/x", proxies=proxies, timeout=9).status_code == 200
        assert requests.get("http://far.example/t/y", timeout=9).status_code == 200


def test_tls_needs_no_handshake_in_a_replay(tmp_path):
    """Recorded over TLS with the client's own trust, replayed without any."""
    path = tmp_path / "made.json"
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)

    async def by_aiohttp(session, url, context):
        async with session.get(f"{url}/t/aiohttp", ssl=context) as response:
            return response.status

    def ask(url, ours):
        with urllib3.PoolManager(ssl_context=ours) as pool, httpx.Client(verify=ours) as client:
            assert pool.request("GET", f"{url}/t/urllib3").status == 200
            assert client.get(f"{url}/t/httpx").status_code == 200
        with urllib.request.urlopen(f"{url}/t/urllib", context=ours) as response:
            assert response.status == 200
        assert _aiohttp(lambda session: by_aiohttp(session, url, ours)) == 200

    with serving(context=theirs) as server, use_cassette(path, record="once"):
        ask(server.url, ours)
        assert len(server.asked) == 4
    with use_cassette(path):
        ask("https://another-host:9200", _TLS)


def test_hosts_that_are_ipv6_addresses(tmp_path):
    """Brackets stay where they belong, under every client."""
    import socket

    path = tmp_path / "made.json"
    with serving(family=socket.AF_INET6) as server, use_cassette(path, record="once"):
        _ask_ipv6(server.url)
        assert len(server.asked) == 4
        url = server.url
    assert {one.request.uri.rpartition("/t")[0] for one in load(path).interactions} == {url}
    with use_cassette(path):
        _ask_ipv6("http://[2001:db8::1]:9200")


def _ask_ipv6(url):
    async def by_aiohttp(session):
        async with session.get(f"{url}/t/aiohttp") as response:
            return response.status

    assert requests.get(f"{url}/t/requests", timeout=9).status_code == 200
    with httpx.Client(verify=_TLS) as client:
        assert client.get(f"{url}/t/httpx").status_code == 200
    with urllib.request.urlopen(f"{url}/t/urllib") as response:
        assert response.status == 200
    assert _aiohttp(by_aiohttp) == 200


# -------------------------------------------------------------------------------------------------------- record modes


def test_new_sends_only_what_the_file_does_not_answer(server, tmp_path):
    """What is there is played, what is not is sent and added."""
    path = tmp_path / "made.json"
    with use_cassette(path, record="once"):
        requests.get(f"{server.url}/t/a", timeout=9)
    with use_cassette(path, record="new"):
        assert requests.get(f"{server.url}/t/a", timeout=9).json()["count"] == 1
        assert requests.get(f"{server.url}/t/b", timeout=9).json()["count"] == 2
    assert [one.request.uri[-1] for one in load(path).interactions] == ["a", "b"]


def test_all_replaces_what_is_asked_and_keeps_the_rest(server, tmp_path):
    """Nothing is played; each request that came again takes the place of its older answers."""
    path = tmp_path / "made.json"
    with use_cassette(path, record="once"):
        for name in "abb":
            requests.get(f"{server.url}/t/{name}", timeout=9)
    with use_cassette(path, record="all"):
        assert requests.get(f"{server.url}/t/b", timeout=9).json()["count"] == 4
    assert [one.request.uri[-1] for one in load(path).interactions] == ["a", "b"]


def test_once_refuses_what_an_existing_file_does_not_answer(server, tmp_path):
    """A file that is there is never added to in this mode."""
    path = tmp_path / "made.json"
    with use_cassette(path, record="once"):
        requests.get(f"{server.url}/t/a", timeout=9)
    with pytest.raises(NoRecordedAnswerError, match="no answer to GET /t/b"), use_cassette(path, record="once"):
        requests.get(f"{server.url}/t/b", timeout=9)


def test_the_last_answer_holds_unless_strict(server, tmp_path):
    """A poller may ask more often than the recorder did; strict says that it must not."""
    path = tmp_path / "made.json"
    with use_cassette(path, record="once"):
        for _ in range(2):
            requests.get(f"{server.url}/t/a", timeout=9)
    with use_cassette(path):
        assert [requests.get("http://any/t/a", timeout=9).json()["count"] for _ in range(4)] == [1, 2, 2, 2]
    with use_cassette(path, strict=True) as cassette:
        assert [requests.get("http://any/t/a", timeout=9).json()["count"] for _ in range(2)] == [1, 2]
        with pytest.raises(NoRecordedAnswerError, match="recorded 2 times, and as often it was answered"):
            requests.get("http://any/t/a", timeout=9)
        cassette.unanswered.clear()


def test_a_request_that_changes_something_is_not_answered_twice(server, tmp_path):
    """Two registrations were not one: the second finds no answer."""
    path = tmp_path / "made.json"
    with use_cassette(path, record="once"):
        requests.post(f"{server.url}/models", json={"a": 1}, timeout=9)
    with use_cassette(path) as cassette:
        requests.post("http://any/models", json={"a": 1}, timeout=9)
        with pytest.raises(NoRecordedAnswerError, match="the request changes something"):
            requests.post("http://any/models", json={"a": 1}, timeout=9)
        cassette.unanswered.clear()


def test_an_error_that_the_code_swallowed_is_raised_at_the_end(tmp_path, server):
    """A replay that could not answer never passes in silence."""
    path = tmp_path / "made.json"
    with use_cassette(path, record="once"):
        requests.get(f"{server.url}/t/a", timeout=9)

    def careless():
        with use_cassette(path), suppress(Exception):
            requests.get("http://any/t/b", timeout=9)

    with pytest.raises(NoRecordedAnswerError, match="swallowed on its way"):
        careless()


def test_upstream_takes_all_requests_whatever_host_they_name(server, tmp_path):
    """With `upstream`, every client's request goes to the one cluster, and the file names the host that was asked."""
    path = tmp_path / "made.json"

    async def by_aiohttp(session):
        async with session.get("http://my-cluster:9200/t/c") as response:
            return await response.json()

    with use_cassette(path, record="once", upstream=server.url), httpx.Client(verify=_TLS) as client:
        requests.get("http://my-cluster:9200/t/a", timeout=9)
        client.get("http://my-cluster:9200/t/b")
        _aiohttp(by_aiohttp)
        with urllib.request.urlopen("http://my-cluster:9200/t/d") as response:
            response.read()
    assert [asked[1] for asked in server.asked] == ["/t/a", "/t/b", "/t/c", "/t/d"]
    assert [one.request.uri for one in load(path).interactions] == [
        f"http://my-cluster:9200/t/{name}" for name in "abcd"
    ]


def test_compressed_requests_are_kept_readable(server, tmp_path):
    """opensearch-py's http_compress zips what it sends; the recording has the text, and a plain client finds it."""
    path = tmp_path / "made.json"
    with use_cassette(path, record="once"), OpenSearch(server.url, http_compress=True) as client:
        client.search(index="x", body={"query": {"match_all": {}}})
    assert load(path).interactions[0].request.body == b'{"query":{"match_all":{}}}'
    assert "content-encoding" not in {name.lower() for name in load(path).interactions[0].request.headers}
    with use_cassette(path):
        answer = requests.post("http://any/x/_search", json={"query": {"match_all": {}}}, timeout=9).json()
    assert answer["body"] == {"query": {"match_all": {}}}
