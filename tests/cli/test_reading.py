"""`list`, `show`, `check` and `schema`: what there is to know of recordings and bodies."""

from __future__ import annotations

import json
import shutil

import pytest

from mltask_fixtures import TaskFactory
from mltask_fixtures.cassette import bundled as bundled_names

KMEANS = "3.6.0/train-kmeans-completed"
DEPLOY = "3.6.0/register-deploy-sparse-tokenizer"


def test_list_in_a_pipe_has_a_line_for_each(shell):
    """Name, states and sentence, with tabs between them."""
    lines = shell("list").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == bundled_names()
    assert all(len(line.split("\t")) == 3 for line in lines)
    assert any(
        line.startswith(f"{KMEANS}\tTRAINING CREATED RUNNING COMPLETED\tAn asynchronous k-means") for line in lines
    )


@pytest.mark.parametrize("columns", [60, 80])
def test_list_fits_a_narrow_terminal(shell, columns):
    """No line is wider, and no word is broken."""
    done = shell("list", columns=columns)
    assert max(map(len, done.stdout.splitlines())) <= columns
    words = set(shell("list").stdout.replace("\t", " ").split())
    assert set(done.stdout.split()) == words


def test_list_shows_a_folder_of_ones_own(shell, tmp_path, bundled):
    """A damaged file in it is listed as such."""
    shutil.copytree(bundled / "3.6.0", tmp_path / "mine" / "deep")
    assert len(shell("list", "mine").stdout.splitlines()) == len(list((bundled / "3.6.0").glob("*.json")))
    (tmp_path / "mine" / "half.json").write_text('{"version": 1, "inter')
    done = shell("list", "mine")
    assert done.returncode == 1
    assert "half.json\t\tdamaged: mine/half.json is damaged at line 1, column" in done.stdout


def test_show_in_a_pipe_has_a_line_for_each_step(shell):
    """Ids in full, whatever the width; then the fields that change, with their values."""
    out = shell("show", KMEANS).stdout
    lines = out.splitlines()
    assert lines[0] == KMEANS
    head = next(line for line in lines if line.startswith("t/ms"))
    assert head.split() == ["t/ms", "request", "state", "model_id", "changed", "check"]
    assert any("POST _train/kmeans" in line and "CREATED" in line for line in lines)
    assert any("  state             CREATED -> RUNNING -> COMPLETED" in line for line in lines)
    assert any("  model_id          (absent) -> " in line for line in lines)
    assert lines[-1].endswith("interactions; no findings by the dialect 3.6")
    assert "…" not in out


@pytest.mark.parametrize("columns", [60, 80, 100])
@pytest.mark.parametrize("name", [KMEANS, DEPLOY])
@pytest.mark.parametrize("command", ["show", "demo"])
def test_timelines_fit_a_narrow_terminal(shell, columns, name, command):
    """No line is wider, no word is broken, and an id is shown by its first characters everywhere in the timeline."""
    done = shell(command, *([name] if command == "show" else []), columns=columns)
    assert max(map(len, done.stdout.splitlines())) <= columns
    steps = done.stdout.partition("t/ms")[2].partition("\ntask ")[0]
    for word in (
        ("_train/kmeans", "last_update_time", "tasks/_search") if name == KMEANS else ("/_undeploy", "models/_register")
    ):
        assert word in done.stdout
    from re import ASCII, findall

    assert not [
        found for found in findall(r"(?<![\w-])[\w-]{20}(?![\w-])", steps, ASCII) if "_" not in found.strip("_")
    ]


def test_show_on_a_wide_terminal_has_one_line_for_each_step(shell):
    """As in a pipe, with short ids."""
    lines = shell("show", KMEANS, columns=160).stdout.splitlines()
    polled = [line for line in lines if " GET tasks/" in line]
    assert len(polled) == 3
    assert all("…" in line for line in polled)


def test_show_as_json_has_everything(shell):
    """Timeline, changes, metadata and findings."""
    shown = json.loads(shell("show", KMEANS, "--json").stdout)
    assert shown["dialect"] == "3.6"
    assert shown["findings"] == []
    assert shown["timeline"][0]["request"] == "POST _train/kmeans"
    (changes,) = shown["changes"].values()
    assert changes["state"] == ["CREATED", "RUNNING", "COMPLETED"]


def test_show_shows_what_no_server_says_and_its_findings(shell, tmp_path, bundled):
    """An edited recording is worth a look: exit code 1."""
    text = (bundled / f"{KMEANS}.json").read_text().replace('"COMPLETED"', '"FINISHED"')
    (tmp_path / "edited.json").write_text(text)
    done = shell("show", "edited.json")
    assert done.returncode == 1
    assert "FINISHED" in done.stdout
    assert "findings by the dialect 3.6" in done.stdout
    assert '"FINISHED"' in done.stdout.partition("findings by")[2]


def test_show_finds_the_projects_own_by_name(shell, tmp_path, bundled):
    """In the folder `cassettes`, where the plugin looks by default."""
    (tmp_path / "cassettes").mkdir()
    shutil.copy(bundled / f"{KMEANS}.json", tmp_path / "cassettes" / "mine.json")
    assert shell("show", "mine").returncode == 0


# ------------------------------------------------------------------------------------------------------------- check


def test_check_says_fine_of_every_bundled_recording(shell, bundled):
    """Each by its own server's dialect."""
    files = sorted(bundled.glob("[0-9]*/*.json"))
    done = shell("check", *files)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(": fine\n") == len(files)


def test_check_reads_a_body_on_stdin(shell):
    """By the documentation, or by the dialect that is named."""
    body = TaskFactory(seed=1, dialect="2.19").build("DEPLOY_MODEL", "RUNNING").model_dump_json()
    assert shell("check", "--dialect", "2.19", "-", stdin=body).stdout == "-: fine\n"
    done = shell("check", "-", stdin=body)
    assert done.returncode == 1
    assert "- model_id" in done.stdout


def test_check_reads_a_recording_on_stdin(shell, bundled):
    """As it comes out of another program."""
    assert shell("check", "-", stdin=(bundled / f"{KMEANS}.json").read_text()).stdout == "-: fine\n"


def test_check_reads_a_body_in_each_line(shell, tmp_path):
    """And names the line."""
    bodies = [task.model_dump_json() for task in TaskFactory(seed=1).batch(5, "TRAINING", "COMPLETED")]
    bodies[3] = bodies[3].replace('"state":"', '"state":"X')
    (tmp_path / "bodies.ndjson").write_text("\n".join(bodies) + "\n")
    done = shell("check", "bodies.ndjson")
    assert done.returncode == 1
    findings = [line for line in done.stdout.splitlines() if line.startswith("  - ")]
    assert findings
    assert all(line.startswith("  - line 4: ") for line in findings)


def test_check_stops_counting_at_a_thousand(shell, tmp_path):
    """A file of another kind has a finding in every line."""
    (tmp_path / "other.ndjson").write_text('{"a": 1}\n' * 1_000_000)
    done = shell("check", "other.ndjson")
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1002
    assert done.stdout.splitlines()[-1] == "  note: there are more than 1000 findings; the rest is left out"


CUT_OFF = [1, 2, 9, 20, 60, 5000]
"""After how many characters a cassette ends; its first line is the first character."""


@pytest.mark.parametrize("left", CUT_OFF)
@pytest.mark.parametrize("indent", [2, None], ids=["ours", "one line"])
def test_check_says_that_a_cassette_was_cut_off_and_what_to_do(shell, bundled, tmp_path, left, indent):
    """Wherever it ends, it is no body of a task; the other files are looked at all the same."""
    text = json.dumps(json.loads((bundled / f"{KMEANS}.json").read_text()), indent=indent)
    (tmp_path / "half.json").write_text(text[:left])
    done = shell("check", "half.json", bundled / f"{KMEANS}.json")
    assert done.returncode == 1
    told, finding, other = done.stdout.splitlines()
    assert told == "half.json: found"
    assert finding.startswith("  - file is the beginning of a cassette, cut off (truncated) at line ")
    assert finding.endswith(
        "; it was left as it is: restore it from version control, or delete it and record anew (--mltask-record once) "
        "[damaged_cassette]"
    )
    assert other.endswith(": fine")


def test_check_says_where_a_cassette_is_damaged(shell, bundled, tmp_path):
    """One that goes on after its fault was not cut off."""
    text = (bundled / f"{KMEANS}.json").read_text()
    (tmp_path / "hurt.json").write_text(text.replace('"interactions": [', '"interactions": [[', 1))
    (tmp_path / "hurt.yaml").write_text("interactions:\n- request: {a: \nversion: 1\n")
    done = shell("check", "hurt.json", "hurt.yaml")
    assert done.returncode == 1
    _, first, _, second = done.stdout.splitlines()
    assert first.startswith("  - file is damaged at line ")
    assert second.startswith("  - file is no cassette: while parsing a flow")
    assert all("or delete it and record anew [damaged_cassette]" in line for line in (first, second))


def test_a_body_that_was_cut_off_is_no_cassette(shell, tmp_path):
    """It does not begin as one."""
    (tmp_path / "body.json").write_text('{"task_type":"TRAI')
    assert shell("check", "body.json").stdout.endswith(" [not_json]\n")


def test_check_as_json_tells_findings_and_notes_of_each_file(shell, bundled, tmp_path):
    """One object for each, in the order of the command line."""
    (tmp_path / "body.json").write_text("{}")
    first, second = json.loads(shell("check", "--json", "body.json", bundled / f"{KMEANS}.json").stdout)
    assert first["file"] == "body.json"
    assert {"code", "field"} <= set(first["findings"][0])
    assert second["findings"] == second["notes"] == []


def test_check_notes_that_nothing_says_which_server_it_is(shell, tmp_path):
    """A cassette of vcrpy with no trace of OpenSearch is judged by the models alone."""
    (tmp_path / "theirs.yaml").write_text(
        "interactions:\n- request: {body: null, headers: {}, method: GET, uri: 'http://h/x'}\n"
        "  response: {body: {string: '{}'}, headers: {}, status: {code: 200, message: OK}}\nversion: 1\n"
    )
    done = shell("check", "theirs.yaml")
    assert done.returncode == 0
    assert "note: nothing says which server it is of" in done.stdout


def test_check_notes_that_a_recording_was_edited(shell, tmp_path):
    """That is allowed, and visible."""
    assert shell("convert", KMEANS, "mine.json").returncode == 0
    assert shell("check", "mine.json").stdout == "mine.json: fine\n"
    path = tmp_path / "mine.json"
    path.write_text(path.read_text().replace('"centroids": 3', '"centroids": 4'))
    done = shell("check", "mine.json")
    assert done.returncode == 0
    assert done.stdout == "mine.json: fine\n  note: edited since it was written\n"


# ------------------------------------------------------------------------------------------------------------ schema


def test_schema_accepts_what_the_factory_builds_and_names_every_type(shell):
    """Of one type, and of all."""
    from mltask_fixtures.contract import KINDS

    everything = json.loads(shell("schema").stdout)
    assert set(everything["discriminator"]["mapping"]) == set(map(str, KINDS))
    one = json.loads(shell("schema", "TRAINING").stdout)
    assert one["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    body = TaskFactory(seed=1).build("TRAINING", "COMPLETED").model_dump()
    assert set(body) <= set(one["properties"])
    assert set(one["required"]) <= set(body)
    assert one["additionalProperties"] is False


# -------------------------------------------------------------------------------------------------------------- diff


def test_diff_tells_a_difference_once_and_where(shell):
    """Two servers' recordings of one scenario: ids, times and numbers are left out of account."""
    done = shell("diff", "2.19.1/train-missing-index-failed", "3.6.0/train-missing-index-failed")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[:2] == ["response.headers.x-opensearch-version: new", "  + 'OpenSearch/3.6.0 (opensearch)'"]
    assert lines[2].startswith("  in POST _train/kmeans?async=true; GET tasks/{id}, TRAINING CREATED; ")
    assert done.stderr.endswith("differences\n")
    narrow = shell("diff", "2.19.1/train-missing-index-failed", "3.6.0/train-missing-index-failed", columns=60)
    assert max(map(len, narrow.stdout.splitlines())) <= 60


def test_diff_of_the_same_is_nothing(shell, tmp_path):
    """Exit code 0, also in the other form."""
    assert shell("diff", KMEANS, KMEANS).returncode == 0
    shell("convert", KMEANS, "a.yaml")
    done = shell("diff", KMEANS, "a.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no difference\n")


def test_diff_names_the_field_that_an_edit_changed(shell, tmp_path, bundled):
    """By model field, and as JSON for a program."""
    text = (bundled / f"{KMEANS}.json").read_text()
    (tmp_path / "edited.json").write_text(text.replace('"function_name": "KMEANS"', '"function_name": "RCF"'))
    found = json.loads(shell("diff", KMEANS, "edited.json", "--json").stdout)
    assert {
        (one["field"], one["kind"], one["recorded"], one["live"]) for one in found if "tasks/{id}" in one["exchange"]
    } == {("response.body.function_name", "value", "'KMEANS'", "'RCF'")}
