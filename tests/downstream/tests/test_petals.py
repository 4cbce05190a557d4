"""Tests as a stranger writes them: a bundled recording by the marker, and made-up tasks by the fixture."""

from __future__ import annotations

import petals
import pytest
from opensearchpy import OpenSearch


@pytest.fixture
def client():
    with OpenSearch("http://opensearch.example:9200") as client:
        yield client


@pytest.mark.mltask_cassette("3.6.0/train-kmeans-completed")
def test_a_training_ends_with_a_model(client):
    """Under a real recording the training is started, polled, and gives its model."""
    assert len(petals.train(client, "iris_data", interval=0)) == 20


@pytest.mark.mltask_cassette("2.19.1/train-kmeans-completed")
def test_the_older_server_does_the_same(client):
    """The same code works against the older server's recording."""
    assert len(petals.train(client, "iris_data", interval=0)) == 20


@pytest.mark.parametrize("state", ["CREATED", "RUNNING"])
def test_an_unfinished_task_has_no_outcome(mltask, state):
    """A task that goes on has no model yet."""
    assert petals.outcome(mltask.build("TRAINING", state).model_dump()) is None


@pytest.mark.mltask_dialects("documented", "2.19", "3.6")
def test_a_completed_task_has_a_model(mltask):
    """What every server says at the end is understood."""
    task = mltask.build("TRAINING", "COMPLETED")
    assert petals.outcome(task.model_dump()) == task.model_id


@pytest.mark.mltask_dialects("2.19", "3.6")
def test_a_failure_is_told(mltask):
    """The server's message reaches the caller."""
    task = mltask.build("TRAINING", "FAILED", error="no such index [nope]")
    with pytest.raises(petals.TrainingFailedError, match="no such index"):
        petals.outcome(task.model_dump())
