from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from mltask_fixtures._errors import OutsideError, WrongUseError
from mltask_fixtures.cluster.record import choose, look_at
from mltask_fixtures.cluster.scenario import scenarios

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
    for names in (["zzz"], []):
        with pytest.raises(WrongUseError, match=r"known are register-deploy-sparse-tokenizer, .*unknown-task-id"):
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
