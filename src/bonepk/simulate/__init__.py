"""Floor 2: plans and event records, runs, ensembles, labelled results and endpoints.

The floor has the name of its main function, so ``bonepk.simulate`` is both: calling it runs
`bonepk.simulate.run.simulate`, whose signature and help it shows. It is pickled by name.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Floor(ModuleType):
    """A package that can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run a model under a plan; see `bonepk.simulate.run.simulate`."""
        from bonepk.simulate.run import simulate

        return simulate(*args, **kwargs)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (importlib.import_module, (self.__name__,))

    @property
    def __signature__(self) -> Any:
        """What `inspect.signature` shows."""
        import inspect

        from bonepk.simulate.run import simulate

        return inspect.signature(simulate)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """What `help` shows: of the function, then of the floor."""
        import inspect

        from bonepk.simulate.run import simulate

        return f"{inspect.getdoc(simulate)}\n\nRooms of this floor\n{'-' * 19}\n{self.__dict__['__doc__']}"


sys.modules[__name__].__class__ = _Floor
