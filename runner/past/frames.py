"""The one door to polars, whose types lean on numpy's, which is not installed.

Apart so that the rest stays strictly typed, and so that only what really makes tables pays for the
import (196 ms of CPU).
"""

from typing import Any, Final

import polars  # noqa: ICN001 - `pl` is the untyped name below

pl: Final[Any] = polars

Frame = Any
"""A `polars.DataFrame`."""
Expr = Any
"""A `polars.Expr`."""
