"""Machine code from LLVM text, and loaded machine code as addresses."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from bonepk.engine.special import LIBRARY

__all__ = ["Loaded", "compile_text", "load_object", "target_identity", "vector_lanes"]


@cache
def _binding() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, count in LIBRARY.items():
        llvm.add_symbol(f"bonepk.{name}", _library_address(name, count))
    return llvm


def _library_address(name: str, arguments: int) -> int:
    if sys.platform == "win32":
        library = ctypes.CDLL("ucrtbase")
    else:
        library = ctypes.CDLL(ctypes.util.find_library("m") if sys.platform != "darwin" else None)
    function = getattr(library, name)
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * arguments
    address = ctypes.cast(function, ctypes.c_void_p).value
    if address is None:
        raise OSError(f"the C library has no function '{name}'")
    return address


def _machine() -> Any:
    llvm = _binding()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=_features(), opt=1, reloc="default", codemodel="jitdefault", jit=True
    )


@cache
def _features() -> str:
    try:
        return str(_binding().get_host_cpu_features().flatten())
    except RuntimeError:  # not known on every platform
        return ""


@cache
def target_identity() -> tuple[str, ...]:
    """Everything about this machine and llvmlite that machine code depends on."""
    import llvmlite

    llvm = _binding()
    version = ".".join(map(str, llvm.llvm_version_info))
    return (llvmlite.__version__, version, llvm.get_process_triple(), llvm.get_host_cpu_name(), _features())


@cache
def vector_lanes() -> int:
    """Numbers that one vector register of this machine holds."""
    features = _features()
    if "+avx512f" in features:
        return 8
    return 4 if "+avx2" in features else 2


def compile_text(text: str) -> bytes:
    """Compile LLVM text to an object file for this machine.

    Parameters
    ----------
    text : str
        A module. Floating-point flags are as written; nothing assumes that there is no nan.
    """
    llvm = _binding()
    module = llvm.parse_assembly(text)
    # the text has no repeated work and hardly any control flow: a full pipeline costs a second and
    # gains nothing (measured); variables into registers and the code generator's level 1 are enough
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.run(module, llvm.create_pass_builder(_machine(), llvm.create_pipeline_tuning_options()))
    return bytes(_machine().emit_object(module))


@dataclass(frozen=True, eq=False)
class Loaded:
    """Functions of one object file; the code lives as long as this value."""

    addresses: dict[str, int]
    engine: Any


def load_object(code: bytes, names: Iterable[str]) -> Loaded:
    """Load an object file and look up its functions.

    Raises
    ------
    RuntimeError
        If the object cannot be loaded or lacks a function.
    """
    llvm = _binding()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    addresses = {name: int(engine.get_function_address(name)) for name in names}
    missing = [name for name, address in addresses.items() if not address]
    if missing:
        raise RuntimeError(f"object code lacks {', '.join(missing)}")
    return Loaded(addresses, engine)
