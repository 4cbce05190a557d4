"""Any number of threads and tasks record and replay at once: nothing is lost, sent, or given to another."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import aiohttp
import httpx
import pytest
import requests
import urllib3
from clients import CLIENTS
from servers import serving

from mltask_fixtures.cassette import load, use_cassette
from mltask_fixtures.cassette.intercept import SeveralCassettesError

THREADS, EACH = 200, 50
SYNC = {name: ask for name, ask in CLIENTS.items() if "async" not in name and name != "aiohttp"}


def _run(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _paths(path):
    return [interaction.request.uri.partition("/t/")[2] for interaction in load(path).interactions]


@pytest.mark.parametrize("client", SYNC)
def test_eight_threads_record_and_replay_under_each_client(client, server, tmp_path):
    """Each thread gets the answers to its own questions, all are in the file, and replaying sends nothing."""
    path, ask = tmp_path / "eight.json", SYNC[client]

    def work(number, seen):
        for again in range(5):
            asked = f"/t/{number}-{again}"
            seen[asked] = json.loads(ask("GET", server.url + asked)[1])["path"]

    for record in ("once", "none"):
        seen = {}
        with use_cassette(path, record=record) as cassette:
            _run([threading.Thread(target=work, args=(number, seen)) for number in range(8)])
        assert seen == {asked: asked for asked in seen}
        assert (len(seen), len(server.asked), len(cassette)) == (40, 40, 40)
    assert cassette.unplayed == []


def test_two_hundred_threads_of_fifty_requests_each(server, tmp_path):
    """Ten thousand requests are recorded and replayed; the server counts as many, and none more."""
    path = tmp_path / "many.json"
    wrong = []

    def work(number):
        with urllib3.HTTPConnectionPool(server.server_address[0], server.server_address[1], retries=3) as pool:
            for again in range(EACH):
                asked = f"/t/{number}/{again}"
                if json.loads(pool.request("GET", asked).data)["path"] != asked:
                    wrong.append(asked)

    for record in ("once", "none"):
        with use_cassette(path, record=record, strict=True) as cassette:
            _run([threading.Thread(target=work, args=(number,)) for number in range(THREADS)])
        assert wrong == []
        assert len(server.asked) == len(cassette) == THREADS * EACH
    assert cassette.unplayed == []
    assert cassette.play_count == THREADS * EACH


def test_polls_of_one_task_by_many_threads_are_each_answered_once(server, tmp_path):
    """Eight threads share one queue of answers: together they see each of them once."""
    path = tmp_path / "poll.json"
    with use_cassette(path, record="once"):
        recorded = [requests.get(f"{server.url}/t/x", timeout=9).json()["count"] for _ in range(40)]
    with use_cassette(path, strict=True), ThreadPoolExecutor(8) as pool:
        played = list(pool.map(lambda _: requests.get("http://any/t/x", timeout=9).json()["count"], range(40)))
    assert sorted(played) == recorded


@pytest.mark.parametrize("workers", ["threads", "pool", "gather"])
def test_a_recording_has_the_same_order_each_time(workers, tmp_path):
    """What several asked at once is sorted by what was asked; before and after it the order is that of the code."""

    def ask(url):
        return requests.get(url, timeout=9)

    def concurrently(urls):
        if workers == "threads":
            _run([threading.Thread(target=ask, args=(url,)) for url in urls])
        elif workers == "pool":
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(ask, urls))
        else:
            asyncio.run(_gathered(urls))

    async def _gathered(urls):
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(client.get(url) for url in urls))

    orders = set()
    for attempt in range(5):
        path = tmp_path / f"{attempt}.json"
        with serving() as server, use_cassette(path, record="once"):
            ask(f"{server.url}/t/z-first")
            ask(f"{server.url}/t/y-second")
            concurrently([f"{server.url}/t/{name}" for name in ("n", "c", "h", "a", "k", "e", "b", "m")])
            ask(f"{server.url}/t/x-last")
            ask(f"{server.url}/t/w-very-last")
        orders.add(tuple(_paths(path)))
    assert orders == {("z-first", "y-second", "a", "b", "c", "e", "h", "k", "m", "n", "x-last", "w-very-last")}


def test_code_in_one_other_thread_keeps_its_order(server, tmp_path):
    """A test that runs its client in a thread of its own is as sequential as any."""
    path, names = tmp_path / "one.json", ["z", "a", "m", "b"]

    def work():
        for name in names:
            requests.get(f"{server.url}/t/{name}", timeout=9)

    with use_cassette(path, record="once"):
        _run([threading.Thread(target=work)])
    assert _paths(path) == names


def test_one_after_another_in_async_code_keeps_its_order(server, tmp_path):
    """Tasks that wait for each other, such as those of wait_for, are no crowd."""
    path, names = tmp_path / "one.json", ["z", "a", "m", "b"]

    async def work():
        async with aiohttp.ClientSession() as session:
            for name in names:
                await asyncio.wait_for(session.get(f"{server.url}/t/{name}"), 9)

    with use_cassette(path, record="once"):
        asyncio.run(work())
    assert _paths(path) == names


@pytest.fixture
def two(tmp_path):
    """Two recordings of the same requests, with different answers."""
    paths = tmp_path / "one.json", tmp_path / "two.json"
    with serving() as server:
        for path in paths:
            with use_cassette(path, record="once"):
                for name in ("a", "b", "c"):
                    requests.get(f"{server.url}/t/{name}", timeout=9)
    return paths


def _count(name):
    return requests.get(f"http://any/t/{name}", timeout=9).json()["count"]


def test_two_cassettes_in_two_threads_stay_apart(two):
    """Each thread is answered from the cassette that it opened."""
    seen, both_open = {}, threading.Barrier(2)

    def work(path):
        with use_cassette(path):
            both_open.wait()
            seen[path.name] = [_count(name) for name in ("a", "b", "c", "a")]
            both_open.wait()

    _run([threading.Thread(target=work, args=(path,)) for path in two])
    assert seen == {"one.json": [1, 2, 3, 1], "two.json": [4, 5, 6, 4]}


@pytest.mark.parametrize("client", ["httpx", "aiohttp"])
def test_two_cassettes_in_two_tasks_stay_apart(client, two):
    """Each task is answered from the cassette that it opened, however they take turns."""

    async def work(path, both_open):
        seen = []
        async with use_cassette(path), httpx.AsyncClient() as by_httpx, aiohttp.ClientSession() as by_aiohttp:
            await both_open.wait()
            for name in ("a", "b", "c", "a"):
                if client == "httpx":
                    seen.append((await by_httpx.get(f"http://any/t/{name}")).json()["count"])
                else:
                    async with by_aiohttp.get(f"http://any/t/{name}") as response:
                        seen.append((await response.json())["count"])
                await asyncio.sleep(0)
            await both_open.wait()
        return seen

    async def main():
        both_open = asyncio.Barrier(2)
        return await asyncio.gather(*(work(path, both_open) for path in two))

    assert asyncio.run(main()) == [[1, 2, 3, 1], [4, 5, 6, 4]]


def _in_thread(get, older, loop):
    _run([threading.Thread(target=get)])


def _in_timer(get, older, loop):
    _run([threading.Timer(0, get)])


def _in_pool(get, older, loop):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(get).result()


def _in_older_pool(get, older, loop):
    older.submit(get).result()


def _in_to_thread(get, older, loop):
    asyncio.run(asyncio.to_thread(get))


def _in_older_loop(get, older, loop):
    async def there():
        get()

    asyncio.run_coroutine_threadsafe(there(), loop).result()


def _in_grandchild(get, older, loop):
    _run([threading.Thread(target=_in_thread, args=(get, older, loop))])


@pytest.fixture
def older():
    """A pool whose thread runs before any cassette is open, and so does an event loop."""
    loop = asyncio.new_event_loop()
    running = threading.Thread(target=loop.run_forever)
    running.start()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        yield pool, loop
    loop.call_soon_threadsafe(loop.stop)
    running.join()
    loop.close()


@pytest.mark.parametrize(
    "start", [_in_thread, _in_timer, _in_pool, _in_older_pool, _in_to_thread, _in_older_loop, _in_grandchild]
)
def test_what_code_starts_has_its_cassette(start, two, older):
    """Whatever starts a thread while another cassette is open elsewhere, the thread gets that of who started it."""
    seen, both_open = {}, threading.Barrier(2)

    def work(path):
        with use_cassette(path):
            both_open.wait()
            start(lambda: seen.update({path.name: _count("a")}), *older)
            both_open.wait()

    _run([threading.Thread(target=work, args=(path,)) for path in two])
    assert seen == {"one.json": 1, "two.json": 4}


def _worker():
    """A thread that was there before, and runs what it is told."""
    jobs, results = threading.Semaphore(0), []
    job = []

    def run():
        while jobs.acquire() and job:
            try:
                results.append(job.pop()())
            except Exception as error:  # noqa: BLE001 - the test looks at it
                results.append(error)
            done.release()

    done = threading.Semaphore(0)
    thread = threading.Thread(target=run)
    thread.start()

    def call(what):
        job.append(what)
        jobs.release()
        done.acquire()
        return results.pop()

    def stop():
        jobs.release()
        thread.join()

    return call, stop


def test_a_thread_that_ran_before_gets_the_one_cassette_that_is_open(two):
    """A worker of the application that was started with it asks under the test's cassette."""
    call, stop = _worker()
    try:
        with use_cassette(two[0]):
            assert call(lambda: _count("b")) == 2
            with use_cassette(two[1]):
                assert call(lambda: _count("b")) == 5
            assert call(lambda: _count("b")) == 2
    finally:
        stop()


def test_a_thread_that_ran_before_is_not_given_either_of_two(two):
    """Where two are open side by side, guessing would cross them; the error names both."""
    call, stop = _worker()
    both_open = threading.Barrier(3)

    def work(path):
        with use_cassette(path):
            both_open.wait()
            both_open.wait()

    threads = [threading.Thread(target=work, args=(path,)) for path in two]
    try:
        for thread in threads:
            thread.start()
        both_open.wait()
        error = call(lambda: _count("b"))
        both_open.wait()
    finally:
        for thread in threads:
            thread.join()
        stop()
    assert isinstance(error, SeveralCassettesError)
    assert "one.json" in str(error)
    assert "two.json" in str(error)


def test_clients_come_and_go_while_cassettes_open_and_close(two):
    """A hundred openings in four threads leave every client as it was."""
    before = urllib3.HTTPConnectionPool._make_request, requests.Session.send, threading.Thread.start
    wrong, numbers = [], count()

    def work():
        for _ in range(25):
            which = next(numbers) % 2
            with use_cassette(two[which]):
                if _count("a") != (1, 4)[which]:
                    wrong.append(which)

    _run([threading.Thread(target=work) for _ in range(4)])
    assert wrong == []
    assert (urllib3.HTTPConnectionPool._make_request, requests.Session.send, threading.Thread.start) == before
