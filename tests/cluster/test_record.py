from __future__ import annotations

import resource
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.cluster.record import NotRecordedError, UnexpectedAnswerError, choose, look_at, record, record_each
from mltask_fixtures.cluster.scenario import Need, Scenario, scenarios

DIES, HANGS = 0, -1  # as the fixture `answering` takes them

ROOT = {"version": {"number": "3.6.0", "distribution": "opensearch"}}
ML = [{"component": "opensearch-ml", "version": "3.6.0.0"}, {"component": "opensearch-ml", "version": "3.6.0.0"}]


@pytest.fixture
def url(answering):
    """Of a cluster that has ML Commons on two nodes."""
    answering.answers["GET /"] = [(200, ROOT)]
    answering.answers["GET /_cat/plugins"] = [(200, ML)]
    return f"http://127.0.0.1:{answering.server_port}"


def test_a_cluster_says_itself_what_it_is(url):
    """Version, distribution and plugins come from the server; a plugin counts once however many nodes there are."""
    seen = look_at(url + "/")
    assert (seen.version, seen.distribution, seen.plugins) == ("3.6.0", "opensearch", ("opensearch-ml 3.6.0.0",))
    assert seen.url == url


def test_credentials_are_taken_out_of_the_url(url):
    """They are sent as a header, and nothing that is kept or told shows them."""
    seen = look_at(url.replace("//", "//me:p%40ss@"))
    assert seen.credentials == ("me", "p@ss")
    assert seen.url == url


@pytest.mark.parametrize("wrong", ["localhost:9200", "ftp://localhost", "http://", ""])
def test_what_is_no_url_is_wrong_use(wrong):
    """The error shows what one looks like."""
    with pytest.raises(WrongUseError, match=r"one looks like http://127\.0\.0\.1:9200"):
        look_at(wrong)


def test_where_nothing_answers_the_error_says_how_to_put_a_cluster_up():
    """Refused, and the remedy."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(OutsideError, match=f"nothing answers on http://127.0.0.1:{port} .*cluster up"):
            look_at(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_told(answering, url, status):
    """With the place where they go."""
    answering.answers["GET /"] = [(status, {"error": "no"})]
    with pytest.raises(OutsideError, match=rf"refuses these credentials \({status}\).*USER:PASSWORD"):
        look_at(url)


@pytest.mark.parametrize("root", [{"hello": "world"}, {"version": {"number": "8.1.0"}}, ["x"]])
def test_another_server_is_not_taken_for_opensearch(answering, url, root):
    """Elasticsearch and everything else."""
    answering.answers["GET /"] = [(200, root)]
    with pytest.raises(OutsideError, match="is not OpenSearch"):
        look_at(url)


def test_a_cluster_without_ml_commons_is_told_with_what_it_has(answering, url):
    """The remedy is to install the plugin or to take a cluster that has it."""
    answering.answers["GET /_cat/plugins"] = [(200, [{"component": "opensearch-knn", "version": "3.6.0.0"}])]
    with pytest.raises(OutsideError, match=r"has no ML Commons .*it has opensearch-knn 3\.6\.0\.0.*cluster up"):
        look_at(url)


def test_an_unknown_scenario_names_the_nearest():
    """A typing error is corrected."""
    with pytest.raises(WrongUseError, match="did you mean 'train-kmeans-completed'"):
        choose(["train-kmean-complete"])


def test_what_resembles_no_scenario_gets_them_all():
    """And so does nothing at all."""
    for names in (["!!!"], []):
        with pytest.raises(WrongUseError, match=r"known are agent-flow-completed, .*unknown-task-id"):
            choose(names)


def test_every_scenario_can_be_chosen_at_once():
    """--all."""
    assert choose([], every=True) == list(scenarios().values())


def test_recording_needs_nothing_of_the_extra():
    """Whoever has a cluster of his own needs no psutil to record from it."""
    program = (
        "import sys\n"
        "for name in ('psutil', 'filelock', 'platformdirs'): sys.modules[name] = None\n"
        "import mltask_fixtures.cluster.record, mltask_fixtures.cluster.scenario as room\n"
        "print(len(room.scenarios()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(scenarios())


def test_a_cluster_offers_what_it_has(answering, url):
    """This computer, and two nodes where the second takes no model; a node to crash only where it is ours."""
    assert look_at(url).offers == {Need.THIS_COMPUTER}
    assert look_at(url, name="ours").offers == {Need.THIS_COMPUTER, Need.OWN_NODE}
    nodes = {"a": {"settings": {}}, "b": {"settings": {"plugins.ml_commons.max_model_on_node": "0"}}}
    answering.answers["GET /_nodes"] = [(200, {"nodes": nodes})]
    assert look_at(url).offers == {Need.THIS_COMPUTER, Need.TWO_NODES}


# ---- what goes wrong while a scenario plays leaves the older recording as it was

TASK = "/_plugins/_ml/tasks/zaaaZZUB9xQ3nTmYb7Lc"
NOT_FOUND = {"type": "status_exception", "reason": "Failed to find task"}
OLDER = '{"version": 1, "interactions": []}'
UNKNOWN = {"error": {"root_cause": [NOT_FOUND], **NOT_FOUND}, "status": 404}


def asks_twice(stage):
    """A scenario that asks for a task twice."""
    with stage.recorded():
        for _ in range(2):
            stage.refused(404, "GET", TASK.removeprefix("/_plugins/_ml/"))


@pytest.fixture
def one():
    """A scenario of the test's own."""
    return Scenario(name="asks-twice", sentence="It asks twice.", play=asks_twice, since="2.9.0")


@pytest.fixture
def old(tmp_path):
    """An older recording of it."""
    path = tmp_path / "3.6.0" / "asks-twice.json"
    path.parent.mkdir()
    path.write_text(OLDER)
    return path


def test_when_all_is_well_the_older_recording_is_replaced(answering, url, one, old, tmp_path):
    """Else what follows would prove nothing."""
    answering.answers[f"GET {TASK}"] = [(404, UNKNOWN)]
    assert record(one, look_at(url), tmp_path) == old
    assert "Failed to find task" in old.read_text()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ((DIES, None), "nothing answers on"),
        ((401, {"error": "Unauthorized"}), "refuses these credentials"),
        ((500, {"error": {"type": "x", "reason": "no shard"}, "status": 500}), "answered 500: no shard"),
    ],
    ids=["dies", "password", "500"],
)
def test_a_cluster_that_fails_in_mid_scenario_leaves_the_older_recording(
    answering, url, one, old, tmp_path, *, answer, text
):
    """And the error says what happened."""
    answering.answers[f"GET {TASK}"] = [(404, UNKNOWN), answer]
    with pytest.raises(OutsideError, match=text):
        record(one, look_at(url), tmp_path)
    assert old.read_text() == OLDER
    assert [path.name for path in old.parent.iterdir()] == ["asks-twice.json"]


def test_an_answer_that_no_server_gives_stops_the_recording_and_is_shown(answering, url, one, old, tmp_path):
    """The finding, and the body; the older recording stays."""
    strange = {"error": {"root_cause": [NOT_FOUND], **NOT_FOUND, "reason": "Fail to find task"}, "status": 404}
    answering.answers[f"GET {TASK}"] = [(404, UNKNOWN), (404, strange)]
    with pytest.raises(UnexpectedAnswerError, match="interaction 2") as caught:
        record(one, look_at(url), tmp_path)
    assert '"reason": "Fail to find task"' in str(caught.value)
    assert caught.value.exit_code == 1
    assert old.read_text() == OLDER


@contextmanager
def room_for(size):
    """Let no file grow beyond this many bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_older_recording(answering, url, one, old, tmp_path):
    """A real refusal to write, half-way; no draft is left."""
    answering.answers[f"GET {TASK}"] = [(404, UNKNOWN)]
    cluster = look_at(url)
    with room_for(700), pytest.raises(OutsideError, match=r"cannot be written.*untouched"):
        record(one, cluster, tmp_path)
    assert old.read_text() == OLDER
    assert [path.name for path in old.parent.iterdir()] == ["asks-twice.json"]


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_the_older_recording(answering, url, old, tmp_path, ended_by):
    """In a process of its own, in the middle of an answer; a build server's way to end a job is the same."""
    known = tmp_path / "3.6.0" / "unknown-task-id.json"
    old.rename(known)
    answering.answers["GET /_plugins/_ml/tasks/kP2vZZUB9xQ3nTmYb7Lc"] = [(HANGS, None)]
    words = ["record", "unknown-task-id", "--url", url, "--output", str(tmp_path)]
    program = f"from mltask_fixtures.cli import main; main({words!r})"
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as process:
        answering.hangs.wait()
        process.send_signal(ended_by)
        _, told = process.communicate()
    assert process.returncode == 130
    assert told.splitlines()[-1] == "mltask-fixtures: interrupted"
    assert known.read_text() == OLDER


def test_one_that_fails_does_not_keep_the_others(answering, url, one, old, tmp_path):
    """Each that can be recorded is; the error at the end names the rest, and its code is the gravest."""
    other = Scenario(name="other", sentence="x.", play=lambda stage: stage.refused(404, "GET", "tasks/zzz"))
    answering.answers[f"GET {TASK}"] = [(404, UNKNOWN)]
    answering.answers["GET /_plugins/_ml/tasks/zzz"] = [(500, {"error": {"type": "x", "reason": "y"}, "status": 500})]
    written = []
    with pytest.raises(NotRecordedError, match="1 of 2 were not recorded, their older files stay: other") as caught:
        written.extend(record_each([other, one], look_at(url), tmp_path))
    assert caught.value.exit_code == 3
    assert old.read_text() != OLDER


def test_a_cluster_that_died_is_not_asked_on(answering, url, one, old, tmp_path):
    """What is left is not tried, and the error says how much that is."""
    answering.answers[f"GET {TASK}"] = [(DIES, None)]
    cluster = look_at(url)
    answering.answers["GET /"] = [(DIES, None)]
    with pytest.raises(OutsideError, match=r"died while asks-twice was played.*2 more were not tried"):
        list(record_each([one, one, one], cluster, tmp_path))
    assert old.read_text() == OLDER
    assert sum(path == TASK for _, path, _ in answering.asked) == 1


def test_the_scenario_that_crashes_the_node_comes_last(answering, url, tmp_path):
    """What it leaves behind disturbs no other."""
    played = []
    scenarios = [
        Scenario(name="b", sentence="x.", play=lambda _: played.append("b"), needs=(Need.OWN_NODE,)),
        Scenario(name="a", sentence="x.", play=lambda _: played.append("a")),
    ]
    list(record_each(scenarios, look_at(url, name="ours"), tmp_path))
    assert played == ["a", "b"]
