"""Plans: read, checked, resolved, changed. The rest of the engine sees only what stands here."""

from runner.engine.config.document import PlanDocument, change, read_plan
from runner.engine.config.template import plan_template

__all__ = ["PlanDocument", "change", "plan_template", "read_plan"]
