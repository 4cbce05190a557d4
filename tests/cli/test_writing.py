"""`convert` and `redact`: what changes files, and what it never does."""

from __future__ import annotations

import json
import urllib.request

import pytest
import vcr

from mltask_fixtures.cassette import load, store, use_cassette

KMEANS = "3.6.0/train-kmeans-completed"
SECRET = "c2VjcmV0OnNlY3JldA"
LEAKING = f"""
interactions:
- request:
    body: '{{"credential":{{"access_key":"{SECRET}"}}}}'
    headers: {{Authorization: ['Basic {SECRET}'], Accept: ['*/*']}}
    method: POST
    uri: http://me:{SECRET}@h:9200/_plugins/_ml/connectors/_create?api_key={SECRET}
  response:
    body: {{string: '{{"connector_id":"abc"}}'}}
    headers: {{Set-Cookie: ['session={SECRET}']}}
    status: {{code: 200, message: OK}}
version: 1
"""


def bodies(path):
    return [
        (one.request.method, one.request.uri, one.response.status, one.response.body) for one in load(path).interactions
    ]


def times(path):
    return [one.t_ms for one in load(path).interactions]


@pytest.mark.parametrize("name", [KMEANS, "2.19.1/register-remote-model", "3.6.0/unknown-task-id"])
def test_convert_goes_both_ways_and_keeps_every_byte(shell, tmp_path, name):
    """Ours to vcrpy's YAML, to ours, to vcrpy's JSON, to ours."""
    for source, target, *option in (
        (name, "a.yaml"),
        ("a.yaml", "b.json"),
        ("b.json", "c.json", "--vcrpy"),
        ("c.json", "d.json"),
    ):
        done = shell("convert", source, target, *option)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
    original = bodies(name)
    for file in ("a.yaml", "b.json", "c.json", "d.json"):
        assert bodies(tmp_path / file) == original
        assert times(tmp_path / file) == times(name)
    kept = {key: said for key, said in load(tmp_path / "d.json").metadata.items() if key != "digest"}
    assert kept == {key: said for key, said in load(name).metadata.items() if key != "digest"}


@pytest.mark.parametrize(("target", "option"), [("a.yaml", []), ("a.json", ["--vcrpy"])], ids=["yaml", "json"])
def test_plain_vcrpy_replays_what_was_converted(shell, tmp_path, target, option):
    """With nothing of ours in its process but the file."""
    assert shell("convert", KMEANS, target, *option).returncode == 0
    recording = load(KMEANS)
    poll = next(one for one in recording.interactions if one.request.method == "GET")
    player = vcr.VCR(serializer="json" if option else "yaml", record_mode="none")
    with player.use_cassette(str(tmp_path / target)), urllib.request.urlopen(poll.request.uri) as answer:
        assert answer.read() == poll.response.body
    assert times(tmp_path / target) == times(KMEANS)
    assert max(times(KMEANS)) > 0


def test_ours_replays_what_was_vcrpys(shell, tmp_path):
    """After convert, and before."""
    assert shell("convert", KMEANS, "a.yaml").returncode == 0
    assert shell("convert", "a.yaml", "b.json").returncode == 0
    for file in ("a.yaml", "b.json"):
        with use_cassette(tmp_path / file) as cassette:
            url = f"http://any:9200/_plugins/_ml/tasks/{cassette.task_ids[0]}"
            with urllib.request.urlopen(url) as answer:
                assert json.load(answer)["state"] == "CREATED"


def test_convert_replaces_nothing_unless_told_to(shell, tmp_path):
    """--force does."""
    (tmp_path / "a.json").write_text("mine")
    done = shell("convert", KMEANS, "a.json")
    assert done.returncode == 2
    assert "a.json exists; --force replaces it" in done.stderr
    assert (tmp_path / "a.json").read_text() == "mine"
    assert shell("convert", KMEANS, "a.json", "--force").returncode == 0
    assert bodies(tmp_path / "a.json") == bodies(KMEANS)


def test_what_becomes_ours_is_held_to_the_contract(shell, tmp_path):
    """A cassette that no server sent is refused, with its findings."""
    shell("convert", KMEANS, "a.yaml")
    path = tmp_path / "a.yaml"
    path.write_text(path.read_text().replace("COMPLETED", "FINISHED"))
    done = shell("convert", "a.yaml", "b.json")
    assert done.returncode == 1
    assert "FINISHED" in done.stderr
    assert not (tmp_path / "b.json").exists()


def test_what_becomes_ours_has_no_secrets(shell, tmp_path):
    """A cassette of vcrpy may hold some."""
    (tmp_path / "leaking.yaml").write_text(LEAKING)
    assert shell("convert", "leaking.yaml", "b.json").returncode == 0
    assert SECRET not in (tmp_path / "b.json").read_text()


def test_a_binary_body_goes_into_yaml_only(shell, tmp_path, bundled):
    """JSON of vcrpy cannot hold it; a sentence says what can."""
    values = json.loads((bundled / "3.6.0/unknown-task-id.json").read_text())
    values["interactions"][0]["request"].update(method="GET", uri="http://h/binary")
    values["interactions"][0]["response"].update(
        body={"base64": "/wD+"}, headers={}, status={"code": 200, "message": "OK"}
    )
    (tmp_path / "binary.json").write_text(json.dumps(values))
    done = shell("convert", "binary.json", "b.json", "--vcrpy")
    assert done.returncode == 2
    assert "*.yaml" in done.stderr
    assert shell("convert", "binary.json", "b.yaml").returncode == 0
    (answer, *_) = (one["response"] for one in store.read(tmp_path / "b.yaml")["interactions"])
    assert answer["body"]["string"] == b"\xff\x00\xfe"


def test_redact_removes_secrets_in_place_and_names_the_places(shell, tmp_path):
    """Never the secret; a second time there is nothing to do, and the file stays vcrpy's."""
    path = tmp_path / "leaking.yaml"
    path.write_text(LEAKING)
    done = shell("redact", "leaking.yaml")
    assert done.returncode == 0
    assert done.stdout == (
        "leaking.yaml: interaction 1 request uri, interaction 1 request headers, interaction 1 request body, "
        "interaction 1 response headers redacted\n"
    )
    assert SECRET not in path.read_text()
    assert path.read_text().startswith("interactions:\n")
    before = path.read_bytes()
    assert shell("redact", "leaking.yaml").stdout == "leaking.yaml: nothing to redact\n"
    assert path.read_bytes() == before


def test_redact_tells_of_what_looks_like_a_secret_besides(shell, tmp_path):
    """It is left, with a fingerprint that says next time that it is none."""
    key = "ghp_" + "x7Qm2Lk9Wv4Zt8Rb1Nc6Hd3Yp5Js0Fg2TaUe"
    path = tmp_path / "leaking.yaml"
    path.write_text(LEAKING.replace('{"connector_id":"abc"}', f'{{"note":"{key}"}}'))
    done = shell("redact", "leaking.yaml")
    assert done.returncode == 1
    assert key not in done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("  - ")]
    assert all("interaction 1" in line and "looks like a secret" in line for line in told)
    allowed = [word for line in told for word in ("--mltask-allow-secret", line.rpartition(" ")[2])]
    again = shell("redact", "leaking.yaml", *allowed)
    assert (again.returncode, again.stdout) == (0, "leaking.yaml: nothing to redact\n")


def test_redact_can_only_look(shell, tmp_path):
    """For a hook before commits: exit code 1, and nothing is written."""
    (tmp_path / "leaking.yaml").write_text(LEAKING)
    done = shell("redact", "--check", "leaking.yaml")
    assert done.returncode == 1
    assert "interaction 1 request headers" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert (tmp_path / "leaking.yaml").read_text() == LEAKING


@pytest.mark.parametrize("option", [[], ["--vcrpy"]], ids=["ours", "vcrpy"])
def test_redact_keeps_the_form_of_json(shell, tmp_path, option):
    """Ours stays ours, vcrpy's stays vcrpy's, and what is no secret stays to the byte."""
    shell("convert", KMEANS, "a.json", *option)
    path = tmp_path / "a.json"
    values = json.loads(path.read_text())
    values["interactions"][0]["request"]["headers"]["Authorization"] = [f"Basic {SECRET}"]
    path.write_text(json.dumps(values))
    assert shell("redact", "a.json").returncode == 0
    assert SECRET not in path.read_text()
    assert bodies(path) == bodies(KMEANS)
    body = json.loads(path.read_text())["interactions"][1]["response"]["body"]
    assert set(body) == ({"string"} if option else {"json"})


def test_nothing_bundled_is_redacted_or_replaced(shell, bundled):
    """They are clean."""
    files = sorted(bundled.glob("[0-9]*/*.json"))
    before = [path.read_bytes() for path in files]
    done = shell("redact", "--check", *files)
    assert done.returncode == 0, done.stdout
    assert [path.read_bytes() for path in files] == before


def test_a_folder_that_cannot_be_written_to_is_said_so(shell, tmp_path):
    """Exit code 3: the outside failed."""
    (tmp_path / "file").write_text("")
    done = shell("convert", KMEANS, "file/out.json")
    assert done.returncode == 3
    assert done.stderr.startswith("mltask-fixtures: file")
    assert (tmp_path / "file").read_text() == ""
