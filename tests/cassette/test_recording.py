"""Reading quickly is reading: what is looked at later is what the careful reader sees at once."""

import json
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltask_fixtures._errors import MLTaskFixturesError
from mltask_fixtures.cassette import bundled, store
from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette.judge import judge
from mltask_fixtures.cassette.recording import _Poll, from_dict, read_recording


def _values(recording):
    return [
        {"request": dict(one.values["request"]), "response": dict(one.values["response"])}
        for one in recording.interactions
    ]


def _anew(name):
    """Give a bundled recording as it would be written today."""
    return our_format.serialize(store.read(store.find(name)))


@pytest.mark.parametrize("rewritten", [False, True], ids=["as it is", "rewritten"])
@pytest.mark.parametrize("name", bundled())
def test_every_bundled_recording_reads_the_same_both_ways(name, rewritten, tmp_path):
    """The quick way gives the same exchanges, the same dialect and the same findings."""
    path = store.find(name)
    if rewritten:
        path = tmp_path / "rewritten.json"
        path.write_text(_anew(name))
    quick, careful = read_recording(path), from_dict(path, store.read(path))
    assert quick.dialect == careful.dialect
    assert (
        judge(quick.interactions, quick.dialect, quick.server)
        == judge(careful.interactions, careful.dialect, quick.server)
        == []
    )
    assert _values(quick) == _values(careful)
    assert [one.asked for one in quick.interactions] == [one.asked for one in careful.interactions]
    assert [one.t_ms for one in quick.interactions] == [one.t_ms for one in careful.interactions]
    assert [(one.request, one.response) for one in quick.interactions] == [
        (one.request, one.response) for one in careful.interactions
    ]


def test_polls_are_what_is_read_later(tmp_path):
    """A recording as it is written today has them, so the comparison above is one."""
    path = tmp_path / "rewritten.json"
    path.write_text(_anew("3.6.0/train-kmeans-completed"))
    assert sum(isinstance(one, _Poll) for one in read_recording(path).interactions) >= 3


_FILE = json.loads(_anew("3.6.0/train-kmeans-completed"))
_FILE["interactions"] = _FILE["interactions"][:4]
_ODD = st.sampled_from(
    [None, True, 0, -1.5, "", "x", [], ["x"], {}, {"json": {}}, {"base64": "!"}, {"string": None}, "GET", 200, 404]
)


def _places(value, path=()):
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(item, (*path, key))


_PLACES = [place for place in _places(_FILE) if place]


def _outcome(read, path):
    try:
        recording = read(path)
        return _values(recording), judge(recording.interactions, recording.dialect, recording.server)
    except MLTaskFixturesError as error:
        return type(error), str(error)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(_PLACES), st.one_of(st.just("drop"), _ODD))
def test_a_damaged_file_is_refused_in_the_same_words(tmp_path, place, value):
    """Anything that is dropped or replaced in a file has the same outcome both ways: values, findings, or an error."""
    changed = deepcopy(_FILE)
    *way, last = place
    there = changed
    for step in way:
        there = there[step]
    if value == "drop":
        del there[last]
    else:
        there[last] = value
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(changed))
    careful = _outcome(lambda path: from_dict(path, store.read(path)), path)
    assert _outcome(read_recording, path) == careful
