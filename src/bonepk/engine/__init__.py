"""Floor 1: generated code, integrators and steady states; arrays in, arrays out."""

from bonepk.engine.compiled import Compiled, compile_system
from bonepk.engine.timeline import Kind, Op, Pattern, Timeline

__all__ = ["Compiled", "Kind", "Op", "Pattern", "Timeline", "compile_system"]
