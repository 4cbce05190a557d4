"""Agents that are run asynchronously, as 3.x can.

Each begins with a training: where an agent's task is a cluster's first task, 3.6.0 makes the index of tasks without its
mapping, and no other task can be started on that cluster any more.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mltask_fixtures.cluster.scenario import Need, Scenario
from mltask_fixtures.cluster.scenarios._models import REMOTE_SETTINGS, register, remote_model
from mltask_fixtures.cluster.scenarios._training import INDEX, trained
from mltask_fixtures.contract import TaskState, TaskType

if TYPE_CHECKING:
    from mltask_fixtures.cluster.scenario import Stage

_UNKNOWN = "kP2vZZUB9xQ3nTmYb7Lc"  # has the form of a model's id
_SLOW = 0.8  # seconds that the stub thinks, so that states last
_MEMORY = {"type": "conversation_index"}


def _agent(stage: Stage, body: dict[str, Any]) -> str:
    """Make an agent and give its id; it and those that it brings are removed afterwards."""

    def remove() -> None:
        found = stage.ml("POST", "agents/_search", body={"query": {"match": {"name": body["name"]}}})
        for hit in found["hits"]["hits"]:
            stage.ml("DELETE", f"agents/{hit['_id']}")

    stage.afterwards(remove)
    return str(stage.ml("POST", "agents/_register", body=body)["agent_id"])


def _execute(stage: Stage, agent_id: str, question: str = "which indices are there?") -> str:
    """Run an agent and give the id of its task; the memory of the conversation is removed afterwards."""
    started = stage.ml(
        "POST", f"agents/{agent_id}/_execute", params={"async": "true"}, body={"parameters": {"question": question}}
    )
    memory = started.get("response", {}).get("memory_id")
    if memory:
        stage.afterwards(lambda: stage.ml("DELETE", f"memory/{memory}"))
    return str(started["task_id"])


def _chat_model(stage: Stage, url: str) -> str:
    trained(stage)
    connector = {
        "name": "chat",
        "description": "a remote model on loopback",
        "version": "1",
        "protocol": "http",
        "parameters": {"model": "stub-chat"},
        "credential": {"key": "none"},
        "actions": [
            {
                "action_type": "predict",
                "method": "POST",
                "url": f"{url}/chat/completions",
                "headers": {"Content-Type": "application/json"},
                "request_body": '{ "model": "${parameters.model}", '
                '"messages": [{"role": "user", "content": "${parameters.prompt}"}] }',
            },
        ],
    }
    model_id = register(stage, remote_model("chat-model", stage.connector(connector)))
    stage.wait(stage.ml("POST", f"models/{model_id}/_deploy")["task_id"])
    stage.forget()
    return str(model_id)


def play_flow(stage: Stage) -> None:
    """List the indices."""
    trained(stage)
    with stage.recorded():
        tool = {"type": "ListIndexTool", "name": "indices", "parameters": {"indices": json.dumps([INDEX])}}
        agent_id = _agent(stage, {"name": "lister", "type": "flow", "description": "lists indices", "tools": [tool]})
        task_id = _execute(stage, agent_id)
        stage.wait(task_id)
        stage.search({"query": {"ids": {"values": [task_id]}}})
        stage.ml("DELETE", f"tasks/{task_id}")
        stage.ml("DELETE", f"agents/{agent_id}")


def play_flow_failed(stage: Stage) -> None:
    """Ask a model that is not there."""
    trained(stage)
    with stage.recorded():
        tool = {"type": "MLModelTool", "name": "model", "parameters": {"model_id": _UNKNOWN, "prompt": "hello"}}
        agent_id = _agent(stage, {"name": "asker", "type": "flow", "description": "asks nobody", "tools": [tool]})
        stage.wait(_execute(stage, agent_id))
        stage.refused(404, "POST", f"agents/{_UNKNOWN}/_execute", params={"async": "true"}, body={"parameters": {}})


def play_remembering(stage: Stage) -> None:
    """Talk to a model, with memory: the answer to the call names it, and so does every poll."""
    with stage.remote() as remote:
        remote.delay = _SLOW
        model_id = _chat_model(stage, remote.url)
        with stage.recorded():
            parameters = {"model_id": model_id, "prompt": "${parameters.question}"}
            tool = {"type": "MLModelTool", "name": "model", "parameters": parameters}
            agent_id = _agent(
                stage,
                {
                    "name": "talker",
                    "type": "conversational_flow",
                    "description": "talks",
                    "app_type": "rag",
                    "memory": _MEMORY,
                    "tools": [tool],
                },
            )
            stage.wait(_execute(stage, agent_id, "how are you?"))


def play_remembering_failed(stage: Stage) -> None:
    """Talk to a model that is not there, with memory."""
    trained(stage)
    with stage.recorded():
        parameters = {"model_id": _UNKNOWN, "prompt": "${parameters.question}"}
        tool = {"type": "MLModelTool", "name": "model", "parameters": parameters}
        agent_id = _agent(
            stage,
            {
                "name": "hopeful",
                "type": "conversational_flow",
                "description": "talks to nobody",
                "app_type": "rag",
                "memory": _MEMORY,
                "tools": [tool],
            },
        )
        stage.wait(_execute(stage, agent_id, "how are you?"))


def _plan(*steps: str, result: str = "", answer: str = "") -> str:
    thought = {"thought": "t", "action": "None", "action_input": "", "final_answer": answer} if answer else {}
    return json.dumps({"steps": list(steps), "result": result, **thought})


def play_plan(stage: Stage) -> None:
    """Plan, execute the first step, reflect: after the first step the task says RUNNING."""
    with stage.remote() as remote:
        remote.delay = _SLOW
        step = _plan("list the indices", answer="there are some")
        remote.says = [step, step, step, _plan(result="there are some")]
        model_id = _chat_model(stage, remote.url)
        with stage.recorded():
            agent_id = _agent(
                stage,
                {
                    "name": "planner",
                    "type": "plan_execute_and_reflect",
                    "description": "plans",
                    "llm": {"model_id": model_id, "parameters": {"prompt": "${parameters.question}"}},
                    "parameters": {"max_steps": 3, "llm_response_filter": "$.choices[0].message.content"},
                    "memory": _MEMORY,
                    "tools": [{"type": "ListIndexTool", "name": "indices", "parameters": {}}],
                },
            )
            task_id = _execute(stage, agent_id)
            stage.wait(task_id, until=TaskState.RUNNING)
            remote.says = [_plan(result="there are some")]
            stage.refused(500, "DELETE", f"tasks/{task_id}")
            stage.wait(task_id)


SCENARIOS = (
    Scenario(
        name="agent-flow-completed",
        sentence="A flow agent without memory lists the indices; its task is searched for and deleted.",
        play=play_flow,
        must_see={TaskType.AGENT_EXECUTION: (TaskState.CREATED, TaskState.COMPLETED)},
        since="3.0.0",
    ),
    Scenario(
        name="agent-flow-failed",
        sentence="A flow agent without memory asks a model that is not there; an unknown agent is refused.",
        play=play_flow_failed,
        must_see={TaskType.AGENT_EXECUTION: (TaskState.CREATED, TaskState.FAILED)},
        since="3.0.0",
    ),
    Scenario(
        name="agent-memory-completed",
        sentence="An agent with memory talks to a slow model: the memory's ids are in every answer.",
        play=play_remembering,
        must_see={TaskType.AGENT_EXECUTION: (TaskState.CREATED, TaskState.COMPLETED)},
        since="3.0.0",
        settings=REMOTE_SETTINGS,
        needs=(Need.THIS_COMPUTER,),
    ),
    Scenario(
        name="agent-memory-failed",
        sentence="An agent with memory talks to a model that is not there.",
        play=play_remembering_failed,
        must_see={TaskType.AGENT_EXECUTION: (TaskState.CREATED, TaskState.FAILED)},
        since="3.0.0",
    ),
    Scenario(
        name="agent-plan-running",
        sentence="An agent plans, executes and reflects with a slow model: its task says RUNNING after the first step.",
        play=play_plan,
        must_see={TaskType.AGENT_EXECUTION: (TaskState.CREATED, TaskState.RUNNING, TaskState.COMPLETED)},
        since="3.0.0",
        settings=REMOTE_SETTINGS,
        needs=(Need.THIS_COMPUTER,),
    ),
)
