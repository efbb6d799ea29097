"""One five-year run as most would write it: SymPy's lambdify and solve_ivp, the Jacobian by differences."""

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

from bonepk.engine import Kind
from bonepk.engine.batch import integrate_batch
from bonepk.engine.integrate import integrate
from bonepk.model.expr import to_text
from cases import error, flagship, peterson_riggs

CASES = {"peterson_riggs2012": peterson_riggs, "aibl": flagship}


def _lambdified(system):
    """Right-hand side (t, y, values) through SymPy, with common subexpressions taken out."""
    names = [*system.state_names, *system.parameter_names, *system.input_names]
    symbols = {name: sympy.Symbol(f"v{i}") for i, name in enumerate(names)} | {"t": sympy.Symbol("t")}
    rates = [_as_sympy(e, symbols) for e in system.flat_rates]
    n = len(system.states)
    ordered = list(symbols.values())
    f = sympy.lambdify([symbols["t"], ordered[:n], ordered[n:-1]], rates, modules="numpy", cse=True)
    return lambda t, y, values: np.array(f(t, y, values), dtype=float)


def _as_sympy(root, symbols):
    from bonepk.model.expr import topological

    one = {"exp": sympy.exp, "log": sympy.log, "sqrt": sympy.sqrt, "abs": sympy.Abs, "sin": sympy.sin, "cos": sympy.cos}
    one |= {"tanh": sympy.tanh, "log1p": lambda x: sympy.log(1 + x), "expm1": lambda x: sympy.exp(x) - 1}
    one |= {"expit": lambda x: 1 / (1 + sympy.exp(-x)), "softplus": lambda x: sympy.log(1 + sympy.exp(x))}
    two = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b}
    two |= {"pow": lambda a, b: a**b, "min": sympy.Min, "max": sympy.Max, "lt": sympy.Lt, "le": sympy.Le}
    two |= {"gt": sympy.Gt, "ge": sympy.Ge, "and": sympy.And, "or": sympy.Or}
    made = {}
    for node in topological([root]):
        args = [made[id(a)] for a in node.args]
        if node.op == "num":
            made[id(node)] = sympy.Float(node.value)
        elif node.op == "sym":
            made[id(node)] = symbols[node.name]
        elif node.op == "neg":
            made[id(node)] = -args[0]
        elif node.op == "where":
            made[id(node)] = sympy.Piecewise((args[1], args[0]), (args[2], True))
        elif node.op in one or node.op in two:
            made[id(node)] = (one | two)[node.op](*args)
        else:
            raise ValueError(f"no SymPy form of {to_text(node)}")
    return made[id(root)]


def _by_hand(c, line, f, rtol):
    """Segment by segment with solve_ivp, records by t_eval."""
    values = list(c.system.values.values())
    y, now, rows, at = c.initial(c.parameter_vector()), line.start, [], []
    size = np.maximum(np.abs(y), 1e-6 * np.abs(y).max())
    for op in [*line.ops(), None]:
        if op is not None and op.kind == Kind.RECORD:
            at.append(op.time)
            continue
        end = op.time if op is not None else at[-1]
        if end > now:
            inside = sorted({*(t for t in at if t > now), end})
            got = solve_ivp(
                f, (now, end), y, method="LSODA", t_eval=inside, args=(values,), rtol=rtol, atol=rtol * 1e-2 * size
            )
            found = dict(zip(inside, got.y.T, strict=True))
            rows += [found.get(t, y) for t in at]
            y, now = got.y[:, -1].copy(), end
        else:
            rows += [y.copy()] * len(at)
        at = []
        if op is not None:
            y = y.copy()
            y[op.which] += op.value
            size = np.maximum(size, np.abs(y))
    return np.array(rows)


@pytest.mark.parametrize("engine", ["native", "LSODA"])
@pytest.mark.parametrize("name", CASES)
def test_run(against, name, engine):
    case = CASES[name]
    c, line = case()
    p = c.parameter_vector()
    f = _lambdified(c.system)

    def run():
        if engine == "native":
            return integrate_batch(c, p, line, rtol=1e-5, workers=1)
        return integrate(c, p, line, rtol=1e-6)

    def ruler():
        return _by_hand(c, line, f, 1e-6)

    against(run, ruler, "solve_ivp LSODA, lambdified NumPy", error(case, np.asarray(run().y)), error(case, ruler()))
