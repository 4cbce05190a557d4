"""Write and read a cassette of 1,000 polls: our serializer beside vcrpy's, in one run.

Run it as `python benchmarks/save_and_load.py`; CPU time of this process, the least of nine rounds.
"""

from __future__ import annotations

import copy
import gc
import sys
import time
from typing import TYPE_CHECKING

import vcr.serialize
from vcr.request import Request
from vcr.serializers import jsonserializer, yamlserializer

from mltask_fixtures import TaskFactory
from mltask_fixtures.cassette import format as our_format
from mltask_fixtures.cassette import seal
from mltask_fixtures.cassette.scan import _harmless, scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

COUNT, ROUNDS = 1000, 9
SENT = {"content-type": "application/json", "user-agent": "opensearch-py/3.2.0", "connection": "keep-alive"}
SAID = {"X-OpenSearch-Version": ["OpenSearch/3.6.0 (opensearch)"], "content-type": ["application/json; charset=UTF-8"]}


def least(work: Callable[[], Any]) -> float:
    """Give the CPU time of the quickest round, in ms."""
    times = []
    for _ in range(ROUNDS):
        gc.collect()
        gc.disable()
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
        gc.enable()
    return min(times) * 1000


def main() -> None:
    """Measure and print a table."""
    factory = TaskFactory(seed=1, dialect="3.6")
    bodies = [task.model_dump_json().encode() for task in factory.batch(COUNT, "TRAINING", "COMPLETED")]
    requests = [Request("GET", f"http://h:9200/_plugins/_ml/tasks/{n:020d}", None, SENT) for n in range(COUNT)]
    responses = [
        {"status": {"code": 200, "message": "OK"}, "headers": SAID, "body": {"string": body}} for body in bodies
    ]
    pairs = {"requests": requests, "responses": responses}
    values = {
        "version": 1,
        "interactions": [
            {"request": request._to_dict(), "response": response}
            for request, response in zip(requests, responses, strict=True)
        ],
    }
    # vcrpy's writer changes what it is given, so it gets a copy; the time of the copy is taken off.
    copying = least(lambda: copy.deepcopy(responses))
    vcrpy_json = vcr.serialize.serialize({**pairs, "responses": copy.deepcopy(responses)}, jsonserializer)
    vcrpy_yaml = vcr.serialize.serialize({**pairs, "responses": copy.deepcopy(responses)}, yamlserializer)
    ours = our_format.serialize(values)
    written = {
        "ours": least(lambda: our_format.serialize(values)),
        "ours, with digest": least(lambda: our_format.packed(values)),
        "vcrpy JSON": least(
            lambda: vcr.serialize.serialize({**pairs, "responses": copy.deepcopy(responses)}, jsonserializer)
        )
        - copying,
        "vcrpy YAML": least(
            lambda: vcr.serialize.serialize({**pairs, "responses": copy.deepcopy(responses)}, yamlserializer)
        )
        - copying,
    }
    read = {
        "ours": least(lambda: our_format.deserialize(ours)),
        "vcrpy JSON": least(lambda: vcr.serialize.deserialize(vcrpy_json, jsonserializer)),
        "vcrpy YAML": least(lambda: vcr.serialize.deserialize(vcrpy_yaml, yamlserializer)),
    }
    scan(values)
    hygiene = {
        "redaction": least(
            lambda: [
                (seal.redacted_request(request), seal.redacted_response(response))
                for request, response in zip(requests, responses, strict=True)
            ]
        ),
        "search for secrets": least(lambda: (_harmless.clear(), scan(values))),
    }
    for title, table in (("write", written), ("read", read), ("hygiene, once for each recording", hygiene)):
        print(f"{title} {COUNT} polls, ms of CPU")
        for name, milliseconds in table.items():
            print(f"  {name:20} {milliseconds:8.1f}  {milliseconds / table.get('ours', milliseconds):6.1f}x")
    print(f"size in kB: ours {len(ours) // 1000}, vcrpy JSON {len(vcrpy_json) // 1000}", file=sys.stderr)


if __name__ == "__main__":
    main()
