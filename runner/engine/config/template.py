"""The plan that ``pilot-tui init`` writes: it runs as it stands, and shows every key there is."""

import importlib.resources
from typing import Final

TEMPLATE_FILE: Final = "template.toml"


_INTERACTIVE: Final = 'executor = "interactive"     # or "python", or "command"\n'


def plan_template(entry: str = "") -> str:
    """The text of a commented plan, to be written as it is; ``entry`` makes it a python one."""
    text = (importlib.resources.files("runner.engine.config") / TEMPLATE_FILE).read_text("utf-8")
    if not entry:
        return text
    before, found, after = text.partition(_INTERACTIVE)
    assert found
    tasks = f'executor = "python"          # or "interactive", or "command"\nentry = "{entry}"\n'
    after = after.partition("[tasks.matrix]")[0].rstrip()  # each line of the source once
    return before + tasks + 'source = "tasks.jsonl"\n' + after + "\n"
