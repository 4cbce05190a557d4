"""Faults on top of recorded traffic, and failures that were recorded, under every client."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
import urllib.request
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

import aiohttp
import httpx
import pytest
import requests
import urllib3
from opensearchpy import (
    AIOHttpConnection,
    AsyncOpenSearch,
    ConnectionTimeout,
    OpenSearch,
    RequestsHttpConnection,
    TransportError,
)
from opensearchpy import ConnectionError as NoConnection

from mltask_fixtures import DIALECTS, use_cassette
from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cassette import DamagedCassetteError
from mltask_fixtures.cassette.failures import failure_of
from mltask_fixtures.cassette.faults import error_page
from mltask_fixtures.cassette.request import Request
from mltask_fixtures.contract import check_exchange

KMEANS = "3.6.0/train-kmeans-completed"
TIMEOUT = 0.5


def by_requests(url):
    return requests.get(url, timeout=TIMEOUT).content


def by_urllib3(url):
    with urllib3.PoolManager() as pool:
        return pool.request("GET", url, timeout=TIMEOUT, retries=False).data


def by_httpx(url):
    with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
        return client.get(url).content


def by_httpx_async(url):
    async def ask():
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
            return (await client.get(url)).content

    return asyncio.run(ask())


def by_aiohttp(url, **timeouts):
    async def ask():
        timeout = aiohttp.ClientTimeout(**(timeouts or {"total": TIMEOUT}))
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return await response.read()

    return asyncio.run(ask())


def by_aiohttp_sock_read(url):
    return by_aiohttp(url, sock_read=TIMEOUT)


def by_urllib_request(url):
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        return response.read()


def by_opensearch(url, **options):
    base, _, task_id = url.partition("/_plugins/_ml/tasks/")
    with OpenSearch(base, timeout=TIMEOUT, max_retries=0, **options) as client:
        return json.dumps(client.plugins.ml.get_task(task_id=task_id)).encode()


def by_opensearch_requests(url):
    return by_opensearch(url, connection_class=RequestsHttpConnection)


def by_opensearch_async(url):
    async def ask():
        base, _, task_id = url.partition("/_plugins/_ml/tasks/")
        async with AsyncOpenSearch(base, timeout=TIMEOUT, max_retries=0, connection_class=AIOHttpConnection) as client:
            return json.dumps(await client.plugins.ml.get_task(task_id=task_id)).encode()

    return asyncio.run(ask())


CLIENTS = {
    "requests": by_requests,
    "urllib3": by_urllib3,
    "httpx": by_httpx,
    "httpx async": by_httpx_async,
    "aiohttp": by_aiohttp,
    "aiohttp sock_read": by_aiohttp_sock_read,
    "urllib.request": by_urllib_request,
    "opensearch-py": by_opensearch,
    "opensearch-py on requests": by_opensearch_requests,
    "opensearch-py async": by_opensearch_async,
}
AIOHTTPS = ("aiohttp", "aiohttp sock_read", "opensearch-py async")
FAILURES = ("timeout", "reset", "refused", "truncated")
BODY = b'{"error":"no handler found for uri [/] and method [GET]"}'


@contextmanager
def misbehaving(how):
    """A server that does to each request what a network may do; gives its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    if how == "refused":
        listening.close()
        yield f"http://127.0.0.1:{port}"
        return
    done, open_connections = threading.Event(), []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            open_connections.append(connection)
            try:
                connection.recv(65536)
                if how == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()
                elif how == "truncated":
                    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
                    connection.sendall(head.encode() + BODY[: len(BODY) // 2])
                    connection.close()
            except OSError:
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for connection in open_connections:
            connection.close()
        done.set()


def raised(ask, url):
    """The class of what a client raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is, is the question
        ask(url)
    return type(caught.value)


@cache
def really_raised(name, how):
    """The class that a client raises against a server that does it."""
    with misbehaving(how) as url:
        return raised(CLIENTS[name], f"{url}/_plugins/_ml/tasks/MsBi1YsB0jLkkocYjD5f")


@pytest.mark.parametrize("how", FAILURES)
@pytest.mark.parametrize("name", CLIENTS)
def test_a_fault_raises_what_the_client_really_raises(name, how):
    """Against a server that does it, and against a recording with the fault, a client raises the same class."""
    ask, really = CLIENTS[name], really_raised(name, how)
    tries = 2 if how == "reset" and name in AIOHTTPS else 1  # aiohttp tries again by itself
    with use_cassette(KMEANS, faults={range(1, tries + 1): how}) as cassette:
        url = f"http://any:9200/_plugins/_ml/tasks/{cassette.task_ids[0]}"
        assert raised(ask, url) is really
        assert json.loads(ask(url))["state"] == "CREATED", "the recorded answers go on after it"


@pytest.mark.parametrize("name", CLIENTS)
def test_a_slow_answer_outlasts_a_time_out_and_not_patience(name):
    """An answer that takes longer than the client waits is a time-out; a shorter one comes, and late on the clock."""
    ask = CLIENTS[name]
    with use_cassette(
        KMEANS, faults={1: "timeout", 2: timedelta(seconds=60), 3: timedelta(milliseconds=100)}
    ) as cassette:
        url = f"http://any:9200/_plugins/_ml/tasks/{cassette.task_ids[0]}"
        assert raised(ask, url) is raised(ask, url)
        skipped = cassette.clock.skipped
        assert json.loads(ask(url))["task_type"] == "TRAINING"
        assert cassette.clock.skipped - skipped >= 0.09


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 401, 403])
@pytest.mark.parametrize("name", ["requests", "httpx", "aiohttp", "urllib3"])
def test_an_error_status_has_the_page_of_a_server_or_a_proxy(name, status):
    """The body is the one of the table, whole, under each client."""
    page = error_page(status, DIALECTS["3.6"])
    with use_cassette(KMEANS, faults={1: status}) as cassette:
        assert CLIENTS[name](f"http://any:9200/_plugins/_ml/tasks/{cassette.task_ids[0]}") == page.body


@pytest.mark.parametrize("dialect", ["2.4", "2.19", "3.6"])
@pytest.mark.parametrize("status", [404, 429, 500, 503, 403])
def test_the_pages_agree_with_the_contract(status, dialect):
    """What a fault answers is what the check of recordings accepts."""
    page = error_page(status, DIALECTS[dialect])
    assert check_exchange("GET", "/_plugins/_ml/tasks/x", page.status, page.headers, page.body, dialect=dialect) == []


def test_opensearch_raises_its_own_errors_and_retries_as_it_does():
    """A 429 is raised at once, a 503 is tried again by the client, a time-out is a ConnectionTimeout."""
    with use_cassette(KMEANS, faults={1: 429, 2: 503, 4: "timeout", range(5, 7): "reset"}) as cassette:
        task_id = cassette.task_ids[0]
        with OpenSearch("http://any:9200", max_retries=1) as client:
            with pytest.raises(TransportError) as caught:
                client.plugins.ml.get_task(task_id=task_id)
            assert (caught.value.status_code, caught.value.error) == (429, "circuit_breaking_exception")
            assert client.plugins.ml.get_task(task_id=task_id)["state"] == "CREATED"
            with pytest.raises(ConnectionTimeout):
                client.plugins.ml.get_task(task_id=task_id)
            with pytest.raises(NoConnection):
                client.plugins.ml.get_task(task_id=task_id, params={"request_timeout": 1})


def test_faults_count_the_polls_of_each_task_and_take_ranges():
    """The second poll of each of two tasks fails, whatever lies between; a range fails several."""
    with use_cassette("3.6.0/register-deploy-sparse-tokenizer", faults={2: 500, range(4, 6): 503}) as cassette:
        seen = {task_id: [] for task_id in cassette.task_ids[:2]}
        for _ in range(6):
            for task_id, statuses in seen.items():
                statuses.append(requests.get(f"http://any:9200/_plugins/_ml/tasks/{task_id}").status_code)
    assert list(seen.values()) == [[200, 500, 200, 503, 503, 200]] * 2


def test_faults_take_their_time_on_the_clock_in_use():
    """A time-out takes as long as the client would have waited, and so fires the code's own deadline."""
    with use_cassette(KMEANS, faults={range(1, 1000): "timeout"}) as cassette:
        deadline, tries = time.monotonic() + 60, 0
        while time.monotonic() < deadline:
            tries += 1
            with pytest.raises(requests.Timeout):
                requests.get(f"http://any:9200/_plugins/_ml/tasks/{cassette.task_ids[0]}", timeout=10)
    assert tries == 6


def test_faults_and_any_task_id_go_together():
    """The polls of an id that was not recorded are counted as well."""
    with use_cassette(KMEANS, any_task_id=True, faults={2: 429}):
        url = "http://any:9200/_plugins/_ml/tasks/mine"
        assert [requests.get(url).status_code for _ in range(3)] == [200, 429, 200]


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        ({2: "timout"}, r"there is no fault 'timout'; did you mean 'timeout'\?"),
        (
            {2: "slow"},
            "there is no fault 'slow'; there are timeout, reset, refused, truncated, a status, and a timedelta",
        ),
        ({2: 200}, "200 is no error of HTTP; errors are 400 to 599"),
        ({0: 429}, r"0 is no poll; polls count from 1, several are a range\(2, 5\)"),
        ({"2": 429}, "'2' is no poll"),
        ({True: 429}, "True is no poll"),
        ({range(3, 3): 429}, r"range\(3, 3\) is no poll"),
        ({2: None}, "there is no fault None"),
        ({2: timedelta(seconds=-1)}, "an answer cannot take -1 day"),
        ([429], "they are a mapping, such as {2: 429, 5: 'timeout'}"),
    ],
)
def test_wrong_faults_name_the_nearest(faults, told):
    """What is no fault, or at no poll, is an error that says what there is."""
    with pytest.raises(WrongUseError, match=told):
        use_cassette(KMEANS, faults=faults)


# --------------------------------------------------------------------------------------------------- recorded failures


@pytest.mark.parametrize("how", ["timeout", "reset", "refused"])
@pytest.mark.parametrize("name", ["requests", "httpx", "httpx async", "aiohttp", "urllib.request", "opensearch-py"])
def test_a_failure_is_recorded_and_replays_under_every_client(name, how, tmp_path):
    """What found no answer while recording finds none in replay; each client raises its own exception for it."""
    path = tmp_path / "failed.json"
    expected = {other: really_raised(other, how) for other in CLIENTS}  # asked while no cassette is in use
    with misbehaving(how) as url, use_cassette(path, record="once"):
        asked = f"{url}/_plugins/_ml/tasks/MsBi1YsB0jLkkocYjD5f"
        assert raised(CLIENTS[name], asked) is expected[name]
    failures = json.loads(path.read_text())["metadata"]["failures"]
    assert {entry["failure"] for entry in failures} == {how}, "some clients try again by themselves"
    for other, ask in CLIENTS.items():
        with use_cassette(path):
            assert (other, raised(ask, asked)) == (other, expected[other])


def test_what_follows_a_failure_is_recorded_and_replayed_in_its_order(server, tmp_path):
    """A failure and an answer are replayed as they came; plain vcrpy reads the file and sees the answer."""
    import vcr

    from mltask_fixtures.cassette import format as our_format

    path = tmp_path / "mixed.json"
    url = f"{server.url}/thing"
    with use_cassette(path, record="once") as cassette:
        cassette.append_failure(Request("GET", url, None, {}), "reset")
        answer = requests.get(url)
    with use_cassette(path):
        with pytest.raises(requests.ConnectionError):
            requests.get(url)
        assert [requests.get(url).content for _ in range(2)] == [answer.content] * 2, "the last answer holds"
    plain = vcr.VCR()
    plain.register_serializer("mltask", our_format)
    with plain.use_cassette(str(path), serializer="mltask", record_mode="none"):
        assert requests.get(url).content == answer.content


def test_a_recorded_failure_keeps_no_secret(tmp_path):
    """The URL of a request that failed is redacted like any other."""
    path = tmp_path / "secret.json"
    with misbehaving("refused") as url, use_cassette(path, record="once"), pytest.raises(requests.ConnectionError):
        requests.get(f"{url.replace('//', '//me:hunter2@')}/_plugins/_ml/stats?api_key=hunter3")
    assert "hunter" not in path.read_text()
    with use_cassette(path), pytest.raises(requests.ConnectionError):
        requests.get("http://any:9200/_plugins/_ml/stats?api_key=REDACTED")


@pytest.mark.parametrize(
    "failures",
    ["x", [{}], [{"method": "GET", "uri": "http://h/", "at": 0, "failure": "reset"}], [{"failure": "exploded"}], [3]],
)
def test_damaged_failures_are_told(failures, tmp_path):
    """What stands there and is no failure is a damaged file, not a surprise."""
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps({"version": 1, "metadata": {"failures": failures}, "interactions": []}))
    with pytest.raises(DamagedCassetteError, match="failure 1 of its metadata"), use_cassette(path):
        pytest.fail("it was opened")


def test_other_exceptions_are_no_failures():
    """An exception of the code, or one that knows itself as its cause, is none of ours."""
    error = ValueError("x")
    error.__cause__ = error
    assert failure_of(error) is None
