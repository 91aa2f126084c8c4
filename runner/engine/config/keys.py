"""Keys of the endpoints: the variables that hold them are set, and none stands in the plan.

Apart because it looks at the environment and at the plan's whole text, not at values.
"""

from collections.abc import Mapping
from typing import Any

from runner.engine.config.findings import Findings, as_list
from runner.engine.config.resolve import endpoints_of
from runner.engine.config.secrets import looks_secret, secret_lines
from runner.engine.config.text import PlanText
from runner.errors import Problem

_COPIED = "a plan is copied into the run folder: keys go into environment variables"


def check_keys(
    sound: Mapping[str, Any], environ: Mapping[str, str], findings: Findings
) -> list[str]:
    """Variables that an endpoint in use needs and that are not set; returns the keys that are."""
    used = {name for model in as_list(sound.get("models")) for name in endpoints_of(model)}
    known: list[str] = []
    for index, endpoint in enumerate(as_list(sound.get("endpoints"))):
        variable = endpoint.get("api_key_env")
        if not variable:
            continue
        if value := environ.get(variable):
            known.append(value)
        elif endpoint.get("name") in used:
            pasted = looks_secret(variable)
            findings.problem(
                ("endpoints", index, "api_key_env"),
                "names a variable that is not set" if pasted else f"{variable} is not set",
                "the name of a variable is wanted, not a key" if pasted else f"export {variable}=…",
            )
    return known


def check_pasted(text: PlanText, name: str, known: list[str], findings: Findings) -> None:
    """Refuse lines with a key on them, comments too, where no other check has spoken already."""
    told = {problem.line for problem in findings.problems}
    keys = {line: path for path, line in text.lines.items()}
    problem = "a key or password stands on this line"
    for line in secret_lines(text.text, known):
        if line in told:
            continue
        if line in keys:
            findings.problem(keys[line], problem, _COPIED)
        else:
            findings.problems.append(
                Problem(file=name, key="", text=problem, line=line, hint=_COPIED)
            )
