from __future__ import annotations

import json
from pathlib import Path

import pytest

from mltask_fixtures import cluster
from mltask_fixtures.cluster import SERVERS, namespace
from mltask_fixtures.cluster.provide import record_on_server
from mltask_fixtures.cluster.record import choose

pytestmark = pytest.mark.live

BUNDLED = Path(__file__).parents[2] / "cassettes"


@pytest.mark.parametrize("version", SERVERS)
def test_a_real_server_says_again_what_is_recorded(version, tmp_path):
    """One scenario for each kind of cluster: the same states come, file for file, and nothing is left running."""
    names = ["train-kmeans-completed", "register-deploy-sparse-tokenizer", "deploy-two-nodes-completed-with-error"]
    names += [] if namespace.missing() else ["batch-prediction-completed"]
    before = {node.pid for one in cluster.status() for node in one.nodes}
    written = list(record_on_server(choose(names), version, tmp_path))
    assert [path.stem for path in written] == names
    for path in written:
        again, known = (
            json.loads(one.read_text(encoding="utf-8")) for one in (path, BUNDLED / path.relative_to(tmp_path))
        )
        assert again["metadata"]["states"] == known["metadata"]["states"]
    assert {node.pid for one in cluster.status() for node in one.nodes} == before
