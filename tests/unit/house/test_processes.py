"""deploy/processes.toml names programs that exist."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest


def test_every_process_says_its_duty_and_how_it_starts(processes: dict[str, Any]) -> None:
    for process in processes["process"]:
        assert process.keys() <= {"name", "kind", "duty", "command", "ready", "environment"}
        assert process["kind"] in processes["kind"]
        assert process["duty"].endswith(".")
        assert process["command"]


@pytest.mark.parametrize("name", ["listener", "hl7-listener", "api", "dispatcher"])
def test_the_module_of_a_service_can_be_run(processes: dict[str, Any], name: str) -> None:
    command = next(process["command"] for process in processes["process"] if process["name"] == name)
    assert command[:2] == ["python", "-m"]
    assert importlib.util.find_spec(command[2] + ".__main__") is not None


def test_the_workers_serve_every_queue_of_the_path(processes: dict[str, Any]) -> None:
    from plumbline.pipeline.path import MEASURE_QUEUE, PATH_QUEUE

    words = [word for process in processes["process"] for word in process["command"]]
    served = {word.removeprefix("--queues=") for word in words if word.startswith("--queues=")}
    assert served == {PATH_QUEUE, MEASURE_QUEUE}


def test_there_is_exactly_one_beat(processes: dict[str, Any]) -> None:
    assert sum("beat" in process["command"] for process in processes["process"]) == 1
