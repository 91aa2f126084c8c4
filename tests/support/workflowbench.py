"""Logs that look like workflowbench's, with its traps: made up, nothing in them is anyone's."""

import json
from pathlib import Path
from typing import Any

BEGAN = "2026-03-01T10:{:02d}:{:02d}"


def log(number: int, *, turns: int = 3, good: bool = True, **fields: Any) -> dict[str, Any]:
    """One test's log; ``number`` decides when it ended."""
    history: list[dict[str, Any]] = [
        {"role": "user", "content": f"Do task {number}, with tools.", "turn": 0}
    ]
    for turn in range(1, turns + 1):
        call = {
            "role": "assistant",
            "content": f"<tool_call>reader_{turn}</tool_call>",
            "turn": turn,
            "action": "tool_call",
        }
        history += [call, {"role": "user", "content": f"Result {turn}: ok", "turn": turn}]
    return {
        "test_id": f"basic_task_{number:04d}",
        "task_type": "basic_task",
        "prompt_type": "flawed_missing_step" if number % 2 else "optimal",
        "timestamp": BEGAN.format(number // 60 % 60, number % 60),
        "task_instance": {"difficulty": "easy", "required_tools": ["reader_1"]},
        "conversation_history": history,
        "execution_history": [
            {
                "tool": f"reader_{turn}",
                "success": True,
                "output": "ok",
                "error": None,
                "execution_time": 0.5,
            }
            for turn in range(1, turns + 1)
        ],
        "result": {
            "success": good,
            "final_score": 0.9 if good else 0.2,
            "execution_time": 30.0,
            "workflow_score": 0.9,
            "phase2_score": 0.8,
            "tool_calls": [f"reader_{turn}" for turn in range(1, turns + 1)],
            "error": None,
            "error_type": None,
        },
        **fields,
    }


def save(folder: Path, number: int, made: dict[str, Any], model: str = "qwen2.5-72b") -> Path:
    """Write it under a name of the harness's own kind."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model}_{made['task_type']}_{made['prompt_type']}_{number:05d}.json"
    path.write_text(json.dumps(made, indent=1))
    return path
