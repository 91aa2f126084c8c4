"""The plan that ``pilot-tui init`` writes: it runs as it stands, and shows every key there is."""

import importlib.resources
from typing import Final

TEMPLATE_FILE: Final = "template.toml"


def plan_template() -> str:
    """The text of a commented plan, to be written as it is."""
    return (importlib.resources.files("runner.engine.config") / TEMPLATE_FILE).read_text("utf-8")
