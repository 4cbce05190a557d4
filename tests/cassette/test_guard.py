"""In a replay nothing leaves the process, and other tools that patch the same clients are lived beside."""

import http.client
import socket
import subprocess
import sys
import textwrap
from functools import partial

import cassetter
import httpx
import pytest
import requests
import urllib3
import vcr
from clients import CLIENTS

from mltask_fixtures.cassette import NetworkBlockedError, use_cassette


@pytest.fixture
def path(server, tmp_path):
    """A recording of one request, of which the server has counted one."""
    path = tmp_path / "ours.json"
    with use_cassette(path, record="once"):
        requests.get(f"{server.url}/t/ours", timeout=9)
    return path


def test_a_client_that_nobody_knows_cannot_connect(path, server):
    """A bare socket is refused, and the error names address, recording and remedy."""
    with use_cassette(path):
        with pytest.raises(NetworkBlockedError, match=r"a connection to 127\.0\.0\.1 port \d+ was refused"):
            socket.create_connection(server.server_address)
        with socket.socket() as sock, pytest.raises(NetworkBlockedError, match="allowed_hosts"):
            sock.connect_ex(server.server_address)
    with socket.create_connection(server.server_address):
        pass


def test_allowed_hosts_may_be_connected_to(path, server):
    """A database of the test's own is none of the replay's business."""
    with use_cassette(path, allowed_hosts=("127.0.0.1",)), socket.create_connection(server.server_address):
        pass


def test_sockets_inside_the_machine_are_free(path, tmp_path):
    """Event loops and process pools talk over pairs and paths."""
    with use_cassette(path):
        left, right = socket.socketpair()
        with left, right:
            left.sendall(b"x")
            assert right.recv(1) == b"x"


def test_a_client_imported_inside_is_met_as_well(path):
    """The code under test may import its client late; a fresh interpreter shows it for each."""
    asks = {
        "requests": "import requests; print(requests.get(url).json()['path'])",
        "urllib3": "import urllib3; print(urllib3.request('GET', url).json()['path'])",
        "httpx": "import httpx; print(httpx.get(url).json()['path'])",
        "aiohttp": """
            import aiohttp, asyncio
            async def ask():
                async with aiohttp.ClientSession() as session, session.get(url) as response:
                    print((await response.json())['path'])
            asyncio.run(ask())
            """,
        "urllib": "import json, urllib.request; print(json.load(urllib.request.urlopen(url))['path'])",
        "opensearch-py": """
            from opensearchpy import OpenSearch
            print(OpenSearch('http://any:9200').transport.perform_request('GET', '/t/ours')['path'])
            """,
    }
    for name, ask in asks.items():
        code = "\n".join(
            [
                "import sys",
                "from mltask_fixtures.cassette import use_cassette",
                "clients = {'requests', 'urllib3', 'httpx', 'aiohttp', 'vcr', 'opensearchpy'}",
                "assert not clients & set(sys.modules), clients & set(sys.modules)",
                "url = 'http://any:9200/t/ours'",
                f"with use_cassette({str(path)!r}):",
                textwrap.indent(textwrap.dedent(ask).strip(), "    "),
            ]
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
        assert done.stdout == "/t/ours\n", (name, done.stderr)


def test_every_client_is_as_it_was_afterwards(path):
    """What was patched is put back, also when two cassettes were nested."""
    import aiohttp
    from aiohttp.connector import BaseConnector

    places = [
        (urllib3.HTTPConnectionPool, "_make_request"),
        (urllib3.HTTPSConnectionPool, "_prepare_proxy"),
        (http.client.HTTPConnection, "connect"),
        (http.client.HTTPSConnection, "connect"),
        (httpx.HTTPTransport, "handle_request"),
        (aiohttp.ClientSession, "_request"),
        (BaseConnector, "connect"),
        (socket.socket, "connect"),
    ]
    before = [getattr(owner, name) for owner, name in places]
    with use_cassette(path), use_cassette(path):
        assert [getattr(owner, name) for owner, name in places] != before
    assert [getattr(owner, name) for owner, name in places] == before
    assert "connect" not in vars(socket.socket)


# ---------------------------------------------------------------------------------------------------------- neighbours

NEIGHBOURS = {
    "vcrpy": lambda folder, mode: vcr.VCR().use_cassette(str(folder / "theirs.yaml"), record_mode=mode),
    "cassetter": lambda folder, mode: cassetter.use_cassette(folder / "theirs.yaml", record_mode=mode),
}
ASKED = {
    name: ask for name, ask in CLIENTS.items() if name in {"requests", "httpx", "httpx_async", "aiohttp", "opensearch"}
}


@pytest.fixture(params=NEIGHBOURS)
def theirs(request, server, tmp_path):
    """A neighbour's recording of one other request."""
    if request.param == "cassetter":
        server.gzip = False
    with NEIGHBOURS[request.param](tmp_path, "all"):
        requests.get(f"{server.url}/t/theirs", timeout=9)
    server.asked.clear()
    return request.param, partial(NEIGHBOURS[request.param], tmp_path, "none")


@pytest.mark.parametrize("client", ASKED)
def test_inside_a_neighbours_cassette_ours_answers(client, theirs, path, server):
    """The inner one answers; only in aiohttp cassetter stands above it, and refuses first."""
    name, use_theirs = theirs
    server.asked.clear()
    with use_theirs(), use_cassette(path):
        if (name, client) != ("cassetter", "aiohttp"):
            assert b"/t/ours" in ASKED[client]("GET", f"{server.url}/t/ours")[1]
        else:
            with pytest.raises(Exception, match="no matching interaction"):
                ASKED[client]("GET", f"{server.url}/t/ours")
    assert server.asked == []


@pytest.mark.parametrize("client", ASKED)
def test_a_neighbours_cassette_inside_ours_answers(client, theirs, path, server):
    """The inner one answers, ours is not asked; both put back what they found."""
    server.asked.clear()
    before = (
        urllib3.HTTPConnectionPool._make_request,
        urllib3.HTTPConnectionPool.urlopen,
        httpx.HTTPTransport.handle_request,
    )
    with use_cassette(path) as ours, theirs[1]():
        assert b"/t/theirs" in ASKED[client]("GET", f"{server.url}/t/theirs")[1]
        assert ours.play_count == 0
    assert server.asked == []
    assert before == (
        urllib3.HTTPConnectionPool._make_request,
        urllib3.HTTPConnectionPool.urlopen,
        httpx.HTTPTransport.handle_request,
    )


def test_urllib_request_inside_vcrpys_cassette(path, tmp_path, server):
    """Vcrpy puts classes of its own in place of http.client's; ours takes the real ones back while it is open."""
    from urllib.request import urlopen

    before = http.client.HTTPConnection
    with NEIGHBOURS["vcrpy"](tmp_path, "none"):
        theirs = http.client.HTTPConnection
        with use_cassette(path), urlopen("http://any/t/ours") as response:
            assert response.status == 200
        assert http.client.HTTPConnection is theirs
    assert http.client.HTTPConnection is before


def test_vcrpys_stubs_take_our_cassette(path):
    """A client that only vcrpy knows is answered from ours: it has the names that vcrpy's stubs call."""
    from vcr.patch import CassettePatcherBuilder
    from vcr.request import Request

    with use_cassette(path) as cassette:
        asked = Request("GET", "http://any/t/ours", None, {})
        assert cassette.can_play_response_for(asked)
        played = cassette.play_response(asked)
        assert CassettePatcherBuilder(cassette)
    assert played["status"] == {"code": 200, "message": "OK"}
    assert b"/t/ours" in played["body"]["string"]
    assert cassette.all_played
    assert len(cassette.requests) == len(cassette.responses) == len(cassette) == 1
