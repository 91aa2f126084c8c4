"""The one door to pyarrow, which ships no types.

Apart so that the rest of the package stays strictly typed, and so that only modules that really
read or write Parquet pay for the import (84 ms of CPU).
"""

from typing import Any, Final

import pyarrow  # noqa: ICN001 - `pa` is the untyped name below
from pyarrow import compute, parquet

pa: Final[Any] = pyarrow
pc: Final[Any] = compute
pq: Final[Any] = parquet

Table = Any
"""A `pyarrow.Table`."""
