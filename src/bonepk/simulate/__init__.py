"""Floor 2: plans and event records, runs, labelled results and endpoints.

The floor has the name of its main function, so ``bonepk.simulate`` is both: calling it runs
`bonepk.simulate.run.simulate`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Floor(ModuleType):
    """A package that can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run a model under a plan; see `bonepk.simulate.run.simulate`."""
        from bonepk.simulate.run import simulate

        return simulate(*args, **kwargs)


sys.modules[__name__].__class__ = _Floor
