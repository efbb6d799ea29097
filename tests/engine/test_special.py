"""The branch-free elementary functions against 40-digit values and at their edges."""

import ctypes
import math

import mpmath
import numpy as np
import pytest

pytest.importorskip("llvmlite")

from bonepk.engine.jit import compile_text, load_object
from bonepk.engine.special import FUNCTIONS, definitions

_TRUE = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "expm1": mpmath.expm1,
    "tanh": mpmath.tanh,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "expit": lambda x: 1 / (1 + mpmath.exp(-x)),
}
_RANGE = {"exp": (-700, 700), "expm1": (-40, 40), "tanh": (-20, 20), "softplus": (-700, 700), "expit": (-700, 30)}


def _caller(name: str, lanes: int) -> str:
    kind = "double" if lanes == 1 else f"<{lanes} x double>"
    return f"""
define void @go_{name}_{lanes}(ptr %x, ptr %out) {{
  %a = load {kind}, ptr %x, align 8
  %b = call {kind} @bonepk.{name}.{lanes}({kind} %a)
  store {kind} %b, ptr %out, align 8
  ret void
}}"""


@pytest.fixture(scope="module")
def run():
    text = "\n".join(definitions(set(FUNCTIONS), k) + "\n".join(_caller(f, k) for f in FUNCTIONS) for k in (1, 4))
    names = [f"go_{f}_{k}" for f in FUNCTIONS for k in (1, 4)]
    loaded = load_object(compile_text(text), names)

    def apply(name, x, lanes=1):
        x = np.ascontiguousarray(x, dtype=float)
        out = np.empty_like(x)
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(loaded.addresses[f"go_{name}_{lanes}"])
        for i in range(0, len(x), lanes):
            call(x.ctypes.data + 8 * i, out.ctypes.data + 8 * i)
        return out

    apply.loaded = loaded
    return apply


def _arguments(name):
    rng = np.random.default_rng(5)
    if name == "log":
        return np.concatenate([10.0 ** rng.uniform(-307, 307, 600), 1 + rng.uniform(-0.4, 0.5, 600), [5e-324, 1e-310]])
    if name == "log1p":
        wide = np.concatenate([10.0 ** rng.uniform(-17, 10, 500), -(10.0 ** rng.uniform(-17, -0.1, 500))])
        return np.concatenate([wide, [0.0, 1e-300]])
    low, high = _RANGE[name]
    return np.concatenate([rng.uniform(low, high, 600), rng.normal(size=600), 10.0 ** rng.uniform(-20, -1, 100)])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_is_a_few_units_in_the_last_place(run, name):
    x = _arguments(name)
    got = run(name, x)
    with mpmath.workdps(60):
        true = [_TRUE[name](mpmath.mpf(float(v))) for v in x]
        # exp(-700) and its like are normal numbers; nothing here is subnormal
        off = [abs(mpmath.mpf(float(g)) - t) for g, t in zip(got, true, strict=True)]
        error = [d / abs(t) if t else d for d, t in zip(off, true, strict=True)]
    # exp and log themselves are good to one unit; the others add a few roundings of their own
    assert float(max(error)) < (3e-16 if name in ("exp", "log") else 1.2e-15)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vector_and_scalar_give_the_same_bits(run, name):
    x = _arguments(name)
    x = x[: len(x) // 4 * 4]
    np.testing.assert_array_equal(run(name, x, 1), run(name, x, 4))


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", -np.inf, 0.0), ("exp", np.inf, np.inf), ("exp", 710.0, np.inf), ("exp", -746.0, 0.0),
        ("exp", 0.0, 1.0), ("log", 0.0, -np.inf), ("log", np.inf, np.inf), ("log", -1.0, np.nan), ("log", 1.0, 0.0),
        ("log1p", -1.0, -np.inf), ("log1p", np.inf, np.inf), ("log1p", -2.0, np.nan), ("expm1", -np.inf, -1.0),
        ("expm1", np.inf, np.inf), ("tanh", np.inf, 1.0), ("tanh", -np.inf, -1.0), ("softplus", np.inf, np.inf),
        ("softplus", -np.inf, 0.0), ("expit", np.inf, 1.0), ("expit", -np.inf, 0.0),
        *[(f, np.nan, np.nan) for f in FUNCTIONS],
    ],
)  # fmt: skip
def test_edges(run, name, x, expected):
    got = float(run(name, [x])[0])
    assert got == expected or (math.isnan(got) and math.isnan(expected))


def test_subnormal_results_of_exp(run):
    x = np.array([-708.5, -720.0, -740.0, -745.0])
    np.testing.assert_allclose(run("exp", x), np.exp(x), rtol=0, atol=5e-324)
