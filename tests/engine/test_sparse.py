"""The printed LU against NumPy on random patterns."""

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from bonepk.engine.jit import compile_text, load_object
from bonepk.engine.sparse import factor_text, plan_factorisation, solve_text


def _entry(name, count):
    arguments = ", ".join(f"ptr %a{i}" for i in range(count))
    return f"define void @go_{name}({arguments}) {{\n  call void @{name}({arguments})\n  ret void\n}}"


def _solver(plan, rows, cols, lanes):
    text = [factor_text(plan, rows, cols, lanes), solve_text(plan, lanes), _entry("factor", 4), _entry("solve", 2)]
    loaded = load_object(compile_text("\n".join(text)), ["go_factor", "go_solve"])
    pointer = ctypes.c_void_p
    factor = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, pointer)(loaded.addresses["go_factor"])
    solve = ctypes.CFUNCTYPE(None, pointer, pointer)(loaded.addresses["go_solve"])

    def go(jac, mask, lead, b):
        def aligned(x):
            space = np.zeros(x.size + 8)
            at = (-space.ctypes.data % 64) // 8
            out = space[at : at + x.size].reshape(x.shape)
            out[:] = x
            return out

        jac, mask, lead, b = map(aligned, (jac, mask, lead, b))
        lu = aligned(np.zeros((len(plan.slots), lanes)))
        factor(jac.ctypes.data, mask.ctypes.data, lead.ctypes.data, lu.ctypes.data)
        solve(lu.ctypes.data, b.ctypes.data)
        return b.copy()

    go.loaded = loaded
    return go


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 12), density=st.floats(0.0, 0.6), seed=st.integers(0, 10**6), lanes=st.sampled_from([1, 4]))
def test_solves_what_numpy_solves(n, density, seed, lanes):
    rng = np.random.default_rng(seed)
    rows, cols = np.nonzero(rng.random((n, n)) < density)
    go = _solver(plan_factorisation(n, rows.tolist(), cols.tolist()), rows.tolist(), cols.tolist(), lanes)
    jac = rng.normal(size=(len(rows), lanes))
    mask = (rng.random((n, lanes)) < 0.8).astype(float)
    lead = np.full((1, lanes), 3.0 * n)  # dominant, so that no pivoting is called for
    b = rng.normal(size=(n, lanes))
    got = go(jac, mask, lead, b)
    for lane in range(lanes):
        full = np.zeros((n, n))
        full[rows, cols] = jac[:, lane]
        w = lead[0, lane] * np.eye(n) - mask[:, lane, None] * full
        np.testing.assert_allclose(got[:, lane], np.linalg.solve(w, b[:, lane]), rtol=1e-11, atol=1e-13)


def test_arrow_matrix_has_no_fill():
    n = 9
    rows = [*range(n), *([0] * (n - 1)), *range(1, n)]
    cols = [*range(n), *range(1, n), *([0] * (n - 1))]
    plan = plan_factorisation(n, rows, cols)
    assert len(plan.slots) == 3 * n - 2  # in the natural order it would be n * n
    assert plan.order.index(0) >= n - 2
