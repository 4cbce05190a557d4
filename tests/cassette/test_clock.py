"""What the clock of the code under test promises, and whom it leaves alone."""

# What has no time zone is asked as well.
# ruff: noqa: DTZ002, DTZ003, DTZ005, DTZ006, DTZ011
from __future__ import annotations

import asyncio
import datetime as dt
import functools
import pickle
import queue
import sched
import subprocess
import sys
import threading
import time
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import anyio
import backoff
import pytest
import stamina
import tenacity
from hypothesis import given, settings
from hypothesis import strategies as st
from opensearchpy import OpenSearch

from mltask_fixtures import use_cassette
from mltask_fixtures._errors import WrongUseError
from mltask_fixtures.cassette.clock import running

LONG = 240.0
KMEANS = "3.6.0/train-kmeans-completed"
REAL = {"monotonic": time.monotonic, "sleep": time.sleep}  # not where a module's names are looked through


def real_monotonic():
    return REAL["monotonic"]()


def real_sleep(seconds):
    REAL["sleep"](seconds)


def injected(wait=time.sleep, *, clock=time.monotonic):
    before = clock()
    wait(LONG)
    return clock() - before


class Poller:
    """Has what it waits with as attributes of its class."""

    wait = time.sleep
    clock = staticmethod(time.monotonic)

    def poll(self):
        """Wait once, and say how long it took."""
        before = self.clock()
        self.wait(LONG)
        return self.clock() - before


def about(seconds):
    """A wait of so long; what ran beside it may have taken a while on a busy machine."""
    return pytest.approx(seconds + 15, abs=15.001)


def around(seconds):
    """How much of so long is skipped; of what is passed by several threads, some passes really."""
    return pytest.approx(seconds, abs=15)


@pytest.fixture
def clock():
    with running("virtual") as clock:
        yield clock


# ------------------------------------------------------------------------------------------------------ synchronous


def test_a_sleep_passes_at_once_and_every_clock_agrees():
    """After a sleep of four minutes each clock of `time` and `datetime` says four minutes more, and hardly any passed."""
    readers = {
        "time": time.time,
        "monotonic": time.monotonic,
        "perf_counter": time.perf_counter,
    }
    began = real_monotonic()
    with running("virtual"):
        before = {name: getattr(time, name)() for name in readers}
        before_ns = {name: getattr(time, f"{name}_ns")() for name in readers}
        now, utc = dt.datetime.now(), dt.datetime.now(dt.UTC)
        time.sleep(LONG)
        assert {name: getattr(time, name)() - before[name] for name in readers} == dict.fromkeys(readers, about(LONG))
        assert {name: (getattr(time, f"{name}_ns")() - before_ns[name]) / 1e9 for name in readers} == dict.fromkeys(
            readers, about(LONG)
        )
        assert (dt.datetime.now() - now).total_seconds() == about(LONG)
        assert (dt.datetime.now(dt.UTC) - utc).total_seconds() == about(LONG)
    assert real_monotonic() - began < LONG / 2


def test_dates_and_texts_of_the_present_agree(clock):
    """`date.today`, `datetime.today`, `localtime`, `gmtime`, `ctime`, `asctime` and `strftime` follow as well."""
    clock.skip(400 * 86400)
    year = dt.datetime.fromtimestamp(time.time()).year
    assert year > dt.datetime.fromtimestamp(time.time() - 400 * 86400).year
    assert dt.date.today().year == dt.datetime.today().year == dt.datetime.now().year == year
    assert time.localtime().tm_year == int(time.strftime("%Y")) == int(time.asctime()[-4:]) == int(time.ctime()[-4:])
    assert time.gmtime(0).tm_year == 1970
    assert time.strftime("%Y", time.gmtime(0)) == "1970"


def test_utcnow_agrees_and_warns_where_python_does(clock):
    """The deprecated `utcnow` is ahead, too, and its warning names the line that called it."""
    clock.skip(LONG)
    if sys.version_info < (3, 12):
        said = dt.datetime.utcnow()
    else:
        with pytest.warns(DeprecationWarning, match="utcnow") as caught:
            said = dt.datetime.utcnow()
        assert caught[0].filename == __file__
    ahead = said.replace(tzinfo=dt.UTC).timestamp() - (time.time() - LONG)
    assert ahead == about(LONG)
    assert said.tzinfo is None


def test_datetime_stays_the_class_that_it_is(clock):
    """What `now` gives is a plain datetime, and pickle and `isinstance` know it; the class can be used as before."""
    clock.skip(LONG)
    now = dt.datetime.now()
    assert type(now) is dt.datetime
    assert pickle.loads(pickle.dumps(now)) == now

    class Own(dt.datetime):
        pass

    assert type(Own.now()) is Own


def test_names_defaults_and_attributes_from_before_are_met(clock):
    """`from time import sleep`, defaults of arguments and attributes of classes that were there before wait no more."""
    before = monotonic()
    sleep(LONG)
    assert monotonic() - before == about(LONG)
    assert injected() == about(LONG)
    assert Poller().poll() == about(LONG)
    assert clock.skipped == 3 * LONG


def test_everything_is_put_back():
    """After the block each name is Python's own again, also in a module that was imported inside."""
    originals = (time.sleep, time.monotonic, sleep, injected.__defaults__, dict(injected.__kwdefaults__))
    methods = (vars(dt.datetime)["now"], vars(dt.datetime)["utcnow"], threading.Event.wait)
    with running("virtual"):
        module = type(sys)("imported_inside")
        sys.modules["imported_inside"] = module
        exec("from time import sleep, time\nclass Late:\n    pause = sleep", vars(module))
        assert module.sleep is not originals[0]
        module.Late().pause(1)  # a function of ours binds itself no more than time's
    try:
        assert (time.sleep, time.monotonic, sleep, injected.__defaults__, injected.__kwdefaults__) == originals
        assert (vars(dt.datetime)["now"], vars(dt.datetime)["utcnow"], threading.Event.wait) == methods
        assert (module.sleep, module.time, module.Late.pause) == (time.sleep, time.time, time.sleep)
    finally:
        del sys.modules["imported_inside"]


def test_a_time_out_of_the_code_fires(clock):
    """A loop that waits until a deadline ends, and after as many rounds as it would in real time."""
    deadline, rounds = time.monotonic() + 60, 0
    while time.monotonic() < deadline:
        rounds += 1
        time.sleep(1)
    assert 30 <= rounds <= 60


def test_sleep_refuses_what_it_always_refused(clock):
    """A negative time and what is no number raise as they do without us."""
    with pytest.raises(ValueError, match="non-negative"):
        time.sleep(-1)
    with pytest.raises(TypeError):
        time.sleep("1")
    with pytest.raises(ValueError, match="NaN"):
        time.sleep(float("nan"))
    assert clock.skipped == 0


def test_an_event_that_nobody_can_set_is_not_waited_for(clock):
    """`Event.wait` with a time-out passes at once while no other thread of the code is there."""
    stop = threading.Event()
    assert stop.wait(LONG) is False
    assert clock.skipped == LONG
    stop.set()
    assert stop.wait(LONG) is True
    assert clock.skipped == LONG


def test_an_event_of_a_thread_at_work_is_waited_for(clock):
    """With a thread at work that sets it, an event is waited for, and its time-out does not fire early."""
    done, go = threading.Event(), threading.Event()

    def work():
        go.wait()
        real_sleep(0.05)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    go.set()
    assert done.wait(LONG) is True
    thread.join()
    assert clock.skipped == 0


def test_sleeping_until_a_thread_is_done_takes_its_time(clock):
    """A loop that sleeps until a worker is done sees it done before its own deadline."""
    with ThreadPoolExecutor(1) as pool:
        go = threading.Event()
        future = pool.submit(lambda: (go.wait(), real_sleep(0.05)))
        go.set()
        deadline = time.monotonic() + LONG
        while not future.done():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert clock.skipped < 0.02
        time.sleep(LONG)
        assert clock.skipped == around(LONG), "an idle worker holds nobody up"


@pytest.fixture
def elsewhere():
    """Run something in a thread that was there before any clock."""
    asked, told = queue.SimpleQueue(), queue.SimpleQueue()

    def serve():
        while function := asked.get():
            told.put(function())

    thread = threading.Thread(target=serve)
    thread.start()
    yield lambda function: (asked.put(function), told.get())[1]
    asked.put(None)
    thread.join()


def test_other_threads_keep_the_real_clock(elsewhere, clock):
    """A thread that was there before reads the real clock and really sleeps, while this one is a day ahead."""
    clock.skip(86400)
    there, here = elsewhere(lambda: (time.time(), time.monotonic())), (time.time(), time.monotonic())
    assert here[0] - there[0] == about(86400)
    assert here[1] - there[1] == about(86400)
    began = real_monotonic()
    elsewhere(lambda: time.sleep(0.05))
    assert real_monotonic() - began >= 0.05
    assert clock.skipped == 86400


def test_threads_that_such_a_thread_starts_keep_it_too(elsewhere, clock):
    """What is not started by the code under test is none of it."""
    clock.skip(86400)
    read = []

    def start():
        thread = threading.Thread(target=lambda: read.append(time.time()))
        thread.start()
        thread.join()

    elsewhere(start)
    assert time.time() - read[0] == about(86400)


# -------------------------------------------------------------------------------------------------- the code's threads


def poller(rounds, log, name=None, interval=1.0):
    """Poll as code does: sleep, look, note when."""
    for _ in range(rounds):
        time.sleep(interval)
        log.append((time.monotonic(), name))


def in_threads(*targets):
    """Start a thread for each, and wait for them all."""
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_eight_threads_that_poll_do_not_wait(clock):
    """Eight threads that each sleep four minutes end at once, and after four minutes of the clock, not after the sum."""
    log, began = [], real_monotonic()
    in_threads(*(lambda: poller(240, log) for _ in range(8)))
    assert len(log) == 8 * 240
    assert clock.skipped == around(LONG)
    assert real_monotonic() - began < LONG / 2


@pytest.mark.parametrize("workers", [2, 8])
def test_the_work_of_a_thread_pool_does_not_wait(clock, workers):
    """Eight polls in a pool end at once; with two workers they take four times as long, on the clock."""
    log = []
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda _: poller(30, log), range(8)))
    assert len(log) == 8 * 30
    assert clock.skipped == around(30 * 8 / workers)


def test_a_pool_that_is_only_closed_is_waited_for(clock):
    """Work that nobody asks the outcome of goes on by the clock while the pool is shut down."""
    log = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(6):
            pool.submit(poller, 100, log)
    assert len(log) == 600
    assert clock.skipped == around(300)


def test_a_pool_from_before_the_block_works_by_the_clock():
    """The work belongs to the code that gave it, whoever's thread does it; its next work does not."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with running("virtual") as clock:
            clock.skip(86400)
            there, here = pool.submit(time.time).result(), time.time()
        after = pool.submit(time.time).result()
    assert abs(here - there) < 30
    assert here - after == around(86400)


def test_threads_take_turns_in_the_order_of_their_times(clock):
    """Who sleeps for less is awake before, however many sleep how often."""
    log, began = [], time.monotonic()
    in_threads(lambda: poller(3, log, "a", 40), lambda: poller(2, log, "b", 50), lambda: poller(9, log, "c", 11))
    expected = (
        [(40 * n, "a") for n in (1, 2, 3)] + [(50 * n, "b") for n in (1, 2)] + [(11 * n, "c") for n in range(1, 10)]
    )
    assert [name for _, name in log] == [name for _, name in sorted(expected)]
    assert [when for when, _ in log] == sorted(when for when, _ in log)
    assert log[-1][0] - began == about(120)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(1, 5000), min_size=1, max_size=6), min_size=1, max_size=5))
def test_any_threads_wake_in_the_order_of_their_times(programs):
    """Whatever the sleeps: everybody wakes when all who should wake before have woken."""
    log = []

    def run(program):
        total = 0
        for seconds in program:
            time.sleep(seconds)
            total += seconds
            log.append(total)

    with running("virtual") as clock:
        in_threads(*(lambda program=program: run(program) for program in programs))
    assert log == sorted(sum(program[: n + 1]) for program in programs for n in range(len(program)))
    assert clock.skipped == around(max(map(sum, programs)))


def test_a_time_out_of_a_polling_thread_fires_in_its_order(clock):
    """A thread that gives up after a minute does so before another one's work of two minutes is done, and not later."""
    told = []
    done = threading.Event()

    def work():
        time.sleep(120)
        told.append("done")
        done.set()

    def give_up():
        deadline = time.monotonic() + 60
        while not done.is_set():
            time.sleep(1)
            if time.monotonic() > deadline:
                told.append("gave up")
                return

    in_threads(work, give_up)
    assert told == ["gave up", "done"]


WAITS = {
    "an event": lambda thread, event, future, line, seconds: event.wait(seconds),
    "a thread": lambda thread, event, future, line, seconds: (thread.join(seconds), not thread.is_alive())[1],
    "a queue": lambda thread, event, future, line, seconds: _tried(lambda: line.get(timeout=seconds), queue.Empty),
    "a future": lambda thread, event, future, line, seconds: _tried(lambda: future.result(seconds), TimeoutError),
    "several futures": lambda thread, event, future, line, seconds: bool(futures.wait([future], seconds).done),
    "futures as they come": lambda thread, event, future, line, seconds: _tried(
        lambda: list(futures.as_completed([future], seconds)), TimeoutError
    ),
    "a semaphore": lambda thread, event, future, line, seconds: future.free.acquire(timeout=seconds),
    "a condition": lambda thread, event, future, line, seconds: _waited(future.ready, event.is_set, seconds),
}
"""How code waits for its own threads: each tells whether it came in time."""


def _tried(wait, error):
    try:
        wait()
    except error:
        return False
    return True


def _waited(condition, predicate, seconds):
    with condition:
        return condition.wait_for(predicate, seconds)


@pytest.mark.parametrize("name", WAITS)
def test_a_wait_for_a_thread_ends_when_it_should(clock, name):
    """What comes after two minutes is missed by who waits for one, and had by who waits for three."""
    event, line, future = threading.Event(), queue.Queue(), futures.Future()
    future.free, future.ready = threading.Semaphore(0), threading.Condition()

    def work():
        time.sleep(120)
        with future.ready:
            event.set()
            future.ready.notify_all()
        line.put("here")
        future.set_result("here")
        future.free.release()

    thread = threading.Thread(target=work)
    began, real = time.monotonic(), real_monotonic()
    thread.start()
    assert not WAITS[name](thread, event, future, line, 60)
    assert time.monotonic() - began == about(60)
    assert WAITS[name](thread, event, future, line, 90)
    thread.join()
    assert time.monotonic() - began == about(120)
    assert real_monotonic() - real < 60


def test_a_timer_fires_at_its_time(clock):
    """`threading.Timer` is a thread that waits: it fires while the code sleeps past its time, and not before."""
    fired = []
    timer = threading.Timer(60, lambda: fired.append(time.monotonic()))
    began = time.monotonic()
    timer.start()
    time.sleep(59)
    assert fired == []
    time.sleep(LONG)
    assert fired[0] - began == about(60)
    timer.join()


def test_work_of_a_thread_takes_its_time(clock):
    """While one thread of the code is really at work, another's sleep is real, for a time-out must not come early."""
    done = threading.Event()

    def work():
        real_sleep(0.05)
        done.set()

    threading.Thread(target=work).start()
    rounds = 0
    while not done.is_set():
        time.sleep(0.001)
        rounds += 1
    assert rounds < 60
    assert clock.skipped < 0.01


def test_a_loop_waits_for_threads_that_sleep(clock):
    """Polls in threads that a loop waits for do not wait either, and time-outs around them fire in their order."""

    async def main():
        log = []
        began = time.monotonic()
        await asyncio.gather(*(asyncio.to_thread(poller, 60, log) for _ in range(4)), asyncio.sleep(30))
        assert len(log) == 240
        await anyio.to_thread.run_sync(poller, 60, log)
        assert await asyncio.wait_for(asyncio.to_thread(time.sleep, 100), LONG) is None
        late = asyncio.ensure_future(asyncio.to_thread(time.sleep, 100))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(late), 50)
        assert time.monotonic() - began == about(60 + 60 + 100 + 50)
        await late
        return time.monotonic() - began

    began = real_monotonic()
    assert asyncio.run(main()) == about(320)
    assert real_monotonic() - began < 160


def test_each_thread_may_have_a_loop(clock):
    """Loops in threads take turns as threads do."""
    in_threads(*(lambda n=n: asyncio.run(asyncio.sleep(100 * n)) for n in (1, 2, 3)))
    assert clock.skipped == around(300)


def test_an_exception_and_a_thread_that_cannot_start_hold_nobody_up(clock, monkeypatch):
    """A thread that ends badly, and one that never began, are not waited for."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    in_threads(lambda: 1 / 0)
    thread = threading.Thread(target=int)
    with monkeypatch.context() as patch:
        patch.setattr(threading, "_start_new_thread", None, raising=False)
        patch.setattr(threading, "_start_joinable_thread", None, raising=False)
        with pytest.raises(TypeError):
            thread.start()
    assert "run" not in vars(thread)
    assert clock.turns.alone
    time.sleep(LONG)
    assert clock.skipped == around(LONG)


def test_a_thread_that_outlives_the_block_goes_on_in_real_time():
    """After the block nothing is skipped, and no later block has it."""
    read, go = queue.SimpleQueue(), queue.SimpleQueue()

    def outlive():
        read.put(time.time())
        go.get()
        read.put(time.time())

    thread = threading.Thread(target=outlive)
    with running("virtual") as clock:
        clock.skip(86400)
        thread.start()
        inside = read.get()
    with running("virtual"):
        go.put(None)
        after = read.get()
    thread.join()
    assert inside - after == around(86400)


def test_everything_of_threads_is_put_back():
    """After the block the methods are Python's own."""
    methods = [
        (owner, name, vars(owner)[name])
        for owner, name in [
            (threading.Thread, "start"),
            (threading.Thread, "join"),
            (threading.Condition, "wait"),
            (threading.Event, "wait"),
            (ThreadPoolExecutor, "submit"),
        ]
    ]
    with running("virtual"):
        assert [vars(owner)[name] is not method for owner, name, method in methods] == [True] * 5
    assert [vars(owner)[name] is method for owner, name, method in methods] == [True] * 5


def test_a_patch_of_another_tool_over_ours_is_left_in_place():
    """A tool that wraps `Thread.start` in the block and lets go later finds its own there, and threads start once."""
    original = vars(threading.Thread)["start"]
    with running("virtual"):
        ours = vars(threading.Thread)["start"]

        @functools.wraps(ours)
        def theirs(thread):
            ours(thread)

        threading.Thread.start = theirs
    try:
        for _ in range(2):
            log = []
            with running("virtual") as clock:
                in_threads(lambda log=log: poller(240, log))
                assert vars(threading.Thread)["start"] is theirs
                assert clock.skipped == around(LONG)
        assert vars(threading.Thread)["start"] is theirs
        threading.Thread.start = ours
        with running("virtual"):
            pass
        assert vars(threading.Thread)["start"] is original
    finally:
        threading.Thread.start = original


def test_polls_of_a_cassette_in_threads_do_not_wait():
    """Eight threads poll the same recorded task through a real client, each until it is done."""

    def poll(client, task_id):
        while client.plugins.ml.get_task(task_id=task_id)["state"] != "COMPLETED":
            time.sleep(30)
        return time.monotonic()

    with use_cassette(KMEANS) as cassette, OpenSearch("http://any:9200", pool_maxsize=8) as client:
        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(lambda _: poll(client, cassette.task_ids[0]), range(8)))
        assert max(ends) - min(ends) <= 60 + 15
        assert cassette.clock.skipped <= 120


def test_the_standard_library_waits_for_real_things(clock):
    """A child process that takes a while is waited for, not given up."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.2)"])
    assert child.wait(timeout=LONG) == 0


def test_a_scheduler_of_the_standard_library_follows(clock):
    """`sched` sleeps for the code, so it does not wait."""
    ran = []
    scheduler = sched.scheduler(time.monotonic, time.sleep)
    scheduler.enter(LONG, 1, ran.append, ("late",))
    scheduler.enter(1, 1, ran.append, ("soon",))
    scheduler.run()
    assert ran == ["soon", "late"]


def test_one_clock_in_another_shares_its_time():
    """A cassette opened while another is in use goes on with the same time; a real clock inside is real."""
    with running("virtual") as outer:
        with running("virtual") as inner:
            time.sleep(LONG)
        assert inner is outer
        with running("real"):
            before = time.monotonic()
            time.sleep(0.001)
            assert time.monotonic() - before < LONG / 2
        assert outer.skipped == LONG


def test_another_tools_clock_is_left_in_place(monkeypatch):
    """A test that has put its own function in the place of `time.sleep` keeps it, in the block and after it."""
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with running("virtual"):
        time.sleep(3)
    time.sleep(4)
    assert slept == [3, 4]


# ----------------------------------------------------------------------------------------------------------- asyncio


def test_tasks_wake_in_the_order_of_their_timers(clock):
    """Ten sleepers are awake after the longest sleep, not after the sum, and in the order of their times."""

    async def main():
        woken = []

        async def sleeper(seconds):
            await asyncio.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*(sleeper(seconds) for seconds in (50, 10, 40, 20, 30)))
        return woken

    assert asyncio.run(main()) == [10, 20, 30, 40, 50]
    assert clock.skipped == pytest.approx(50, abs=15)


def test_time_outs_of_asyncio_fire_when_they_should(clock):
    """`wait_for`, `timeout` and anyio's `fail_after` and `move_on_after` fire at their times and not before."""

    async def main():
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await asyncio.wait_for(asyncio.sleep(20, "came"), 100) == "came"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(1000), 100)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError), anyio.fail_after(100):
            await anyio.sleep(1000)
        with anyio.move_on_after(100) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        return loop.time() - began, loop.time() - time.monotonic()

    passed, apart = asyncio.run(main())
    assert passed == about(420)
    assert abs(apart) < 1


def test_work_in_threads_is_waited_for(clock):
    """A time-out around work in a thread does not fire because nothing else was to be done."""

    async def main():
        await asyncio.wait_for(asyncio.to_thread(real_sleep, 0.05), LONG)
        with anyio.fail_after(LONG):
            await anyio.to_thread.run_sync(real_sleep, 0.05)
        with ThreadPoolExecutor(1) as pool:
            await asyncio.wait_for(asyncio.wrap_future(pool.submit(real_sleep, 0.05)), LONG)
        assert clock.skipped < LONG
        await asyncio.sleep(LONG)  # anyio's idle worker holds nobody up

    asyncio.run(main())
    assert clock.skipped == about(LONG)


def test_what_comes_over_a_socket_is_waited_for(clock):
    """A time-out around a read from an open connection leaves the other side its time."""

    async def main():
        async def late(reader, writer):
            await reader.readline()
            await asyncio.to_thread(real_sleep, 0.05)
            writer.write(b"here\n")
            writer.close()

        async with await asyncio.start_server(late, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"\n")
            line = await asyncio.wait_for(reader.readline(), LONG)
            writer.close()
            return line

    assert asyncio.run(main()) == b"here\n"


def test_a_child_process_is_waited_for(clock):
    """A time-out around a child process leaves it its time."""

    async def main():
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(0.1)")
        return await asyncio.wait_for(child.wait(), LONG)

    assert asyncio.run(main()) == 0


def test_a_loop_that_was_running_goes_on_when_the_block_ends():
    """Opened inside a loop, the clock moves its timers; after the block its time goes on without a jump."""

    async def main():
        loop = asyncio.get_running_loop()
        with running("virtual"):
            early = loop.call_later(3600, lambda: None)
            await asyncio.sleep(LONG)
            inside = loop.time()
        after = loop.time()
        assert 0 <= after - inside < LONG / 2
        assert early.when() - after == pytest.approx(3600 - LONG, abs=30)
        before = real_monotonic()
        await asyncio.sleep(0.01)
        assert real_monotonic() - before >= 0.009
        early.cancel()

    asyncio.run(main())


def test_two_cassettes_in_two_tasks_share_the_loop():
    """Tasks that each open a cassette of their own wait as if together, in whatever order they end."""

    async def poll(seconds, times):
        async with use_cassette(KMEANS):
            for _ in range(times):
                await asyncio.sleep(seconds)
        return time.sleep is REAL["sleep"]

    async def main():
        return await asyncio.gather(poll(100, 1), poll(1, 300))

    began = real_monotonic()
    assert asyncio.run(main()) == [False, True]
    assert real_monotonic() - began < 150
    assert time.sleep is REAL["sleep"]


# ---------------------------------------------------------------------------------------------- the libraries' loops


def test_tenacity_does_not_wait(clock):
    """Retries with tenacity end at once, and by its own stop after a delay."""
    tries = []

    @tenacity.retry(wait=tenacity.wait_fixed(10), stop=tenacity.stop_after_delay(100))
    def poll():
        tries.append(1)
        raise OSError

    with pytest.raises(tenacity.RetryError):
        poll()
    assert len(tries) in (10, 11)


def test_stamina_and_backoff_do_not_wait(clock):
    """Retries with stamina and backoff end at once."""
    tries = []

    @stamina.retry(on=OSError, attempts=4, wait_initial=60, wait_jitter=0, wait_max=1000, timeout=None)
    def poll():
        tries.append("stamina")
        raise OSError

    @backoff.on_exception(backoff.constant, OSError, interval=60, jitter=None, max_time=600)
    def poll_again():
        tries.append("backoff")
        raise OSError

    for poller in (poll, poll_again):
        with pytest.raises(OSError):  # noqa: PT011 - it is ours
            poller()
    assert tries.count("stamina") == 4
    assert tries.count("backoff") in (10, 11)


# ---------------------------------------------------------------------------------------------------- with a cassette


def test_a_replay_has_the_virtual_clock_and_real_leaves_it():
    """A cassette that is replayed takes the waiting away; `clock="real"` does not."""
    with use_cassette(KMEANS) as cassette:
        time.sleep(LONG)
        assert cassette.clock.skipped == LONG
    with use_cassette(KMEANS, clock="real"):
        assert time.sleep is REAL["sleep"]


def test_an_unknown_clock_names_the_nearest():
    """A misspelt clock is an error that says what was meant."""
    with pytest.raises(WrongUseError, match=r"there is no clock 'virtal'; did you mean 'virtual'\?"):
        use_cassette(KMEANS, clock="virtal")


NEVER_DONE = {"COMPLETED": {"state": "RUNNING", "model_id": None}}


def test_opensearch_py_mls_wait_of_240_seconds_passes_at_once():
    """The library's own loop, a second before each of its polls and four minutes at most, ends at once and by itself."""
    ml_commons = pytest.importorskip("opensearch_py_ml.ml_commons", exc_type=ImportError)
    with use_cassette(KMEANS, with_=NEVER_DONE) as cassette, OpenSearch("http://any:9200") as client:
        told = ml_commons.MLCommonClient(client).get_task_info(cassette.task_ids[0], wait_until_task_done=True)
        assert told["state"] == "RUNNING"
        assert cassette.clock.skipped == about(225)
    with use_cassette(KMEANS) as cassette, OpenSearch("http://any:9200") as client:
        told = ml_commons.MLCommonClient(client).get_task_info(cassette.task_ids[0], wait_until_task_done=True)
        assert told["state"] == "COMPLETED"


def test_a_wait_of_240_seconds_like_that_librarys_passes_at_once():
    """A second before each poll, until the task is done or four minutes are over, then one poll more."""
    with use_cassette(KMEANS, with_=NEVER_DONE) as cassette, OpenSearch("http://any:9200") as client:
        end, polls = time.time() + LONG, 0
        while time.time() < end:
            time.sleep(1)
            polls += 1
            if client.plugins.ml.get_task(task_id=cassette.task_ids[0])["state"] in ("COMPLETED", "FAILED"):
                break
        assert client.plugins.ml.get_task(task_id=cassette.task_ids[0])["state"] == "RUNNING"
    assert 120 <= polls <= 240
    assert cassette.clock.skipped == polls
