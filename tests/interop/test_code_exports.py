"""Exported program text, read back by a small reader of its own and compared with the system."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

import bonepk
from bonepk.errors import DataError, ModelTextError, NotFoundError, RegimenError
from bonepk.interop import export, export_command, to_nonmem, write_export
from bonepk.interop.formats import FORMATS
from bonepk.model.compose import compose
from bonepk.model.expr import evaluate
from bonepk.model.text import read_component_text

ODD = """
kind = "literature"
title = "every function and every kind of choice"
time = "day"
hidden_units = "test"
[parameters]
"k" = { value = 0.7, unit = "1", source = "fixed", note = "test" }
"K" = { value = 1.3e-5, unit = "1", source = "fixed", note = "test" }
"an_exceedingly_long_parameter_name_one" = { value = -2.5, unit = "1", source = "fixed", note = "test" }
"an_exceedingly_long_parameter_name_two" = { value = 3, unit = "1", source = "fixed", note = "test" }
"time" = { value = 1.5, unit = "1", source = "fixed", note = "test" }
"double" = { value = 2, unit = "1", source = "fixed", note = "test" }
[inputs]
u = { value = 0.25, unit = "1" }
[derived]
d = "where(k > K and not (u == 1), an_exceedingly_long_parameter_name_one, 2)"
[states]
x = { initial = "k + d", unit = "1" }
y = { initial = 2, unit = "1", nonnegative = false }
[quantities]
a = "softplus(x) + expit(y - t) + log1p(abs(x)) + expm1(-y) + tanh(x*y) + sin(t) + cos(t)"
b = "min(x, y, 1.5) - max(-x, y) + where(x < y or t > 3, -x**2, (-x)**2) + (x > y)*3"
c = "-(x - y) - (k - (x + y)) - x/y/k - x/(y/k) + abs(x)**-1.5 + 2**(x/4)**2 + where(x, 1, 2) + sqrt(exp(-y))"
[rates]
x = "a - b*k + u*time"
y = "c - where(where(x > 1, t - 2, y) >= 0, x, y)*double + an_exceedingly_long_parameter_name_two"
[routes]
drip = { into = "x", bioavailability = "k/2", lag = "u" }
[outputs]
both = { expr = "x + y*a", unit = "1" }
b = { expr = "b", unit = "1" }
"""


@pytest.fixture(scope="module")
def odd():
    return compose(read_component_text(ODD, "odd"))


@pytest.fixture(scope="module")
def bone():
    return bonepk.load("aibl", drugs=["denosumab", "letrozole", "zoledronate"])


class Reader:
    """Evaluates one expression of C, R or NONMEM's FORTRAN by recursive descent, sharing nothing with the writer."""

    TOKEN = re.compile(
        r"\s*(\d+\.?\d*(?:[eE][+-]?\d+)?|\.(?:LT|LE|GT|GE|EQ|NE|AND|OR|NOT)\.|[A-Za-z_]\w*|\*\*|[<>=!]=|&&|\|\||[-+*/^()?:,<>!])"
    )
    LEVELS: ClassVar = (
        {"||": lambda a, b: bool(a) or bool(b), ".OR.": lambda a, b: bool(a) or bool(b)},
        {"&&": lambda a, b: bool(a) and bool(b), ".AND.": lambda a, b: bool(a) and bool(b)},
    )
    COMPARE: ClassVar = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
    CALLS: ClassVar = {
        "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "abs": abs, "fabs": abs, "sin": math.sin, "cos": math.cos,
        "tanh": math.tanh, "log1p": math.log1p, "expm1": math.expm1, "pow": pow, "fmin": min, "fmax": max, "min": min,
        "max": max, "ifelse": lambda c, a, b: a if c else b,
    }  # fmt: skip

    def __init__(self, text, env):
        self.tokens, self.env, self.i = self.TOKEN.findall(text), env, 0
        assert "".join(self.tokens) == re.sub(r"\s", "", text), text

    def value(self):
        found = self.choice()
        assert self.i == len(self.tokens), self.tokens[self.i :]
        return found

    def peek(self):
        return self.tokens[self.i] if self.i < len(self.tokens) else ""

    def take(self):
        self.i += 1
        return self.tokens[self.i - 1]

    def choice(self):
        condition = self.logic(0)
        if self.peek() != "?":
            return condition
        self.take()
        yes = self.choice()
        assert self.take() == ":"
        no = self.choice()
        return yes if condition else no

    def logic(self, level):
        if level == len(self.LEVELS):
            return self.negation()
        left = self.logic(level + 1)
        while self.peek() in self.LEVELS[level]:
            sign = self.take()
            left = self.LEVELS[level][sign](left, self.logic(level + 1))
        return left

    def negation(self):
        if self.peek() in {"!", ".NOT."}:
            self.take()
            return not self.negation()
        left = self.sum()
        sign = self.peek()
        kind = self.COMPARE.get(sign) or (
            sign[1:-1].lower() if sign in {".LT.", ".LE.", ".GT.", ".GE.", ".EQ.", ".NE."} else ""
        )
        if kind:
            self.take()
            return bool(
                getattr(
                    np,
                    {
                        "lt": "less",
                        "le": "less_equal",
                        "gt": "greater",
                        "ge": "greater_equal",
                        "eq": "equal",
                        "ne": "not_equal",
                    }[kind],
                )(left, self.sum())
            )
        return left

    def sum(self):
        left = -self.product() if self.peek() == "-" and self.take() else self.product()
        while self.peek() in {"+", "-"}:
            sign = self.take()
            assert self.peek() not in {"+", "-"}, "two signs in a row"
            right = self.product()
            left = left + right if sign == "+" else left - right
        return left

    def product(self):
        left = self.power()
        while self.peek() in {"*", "/"}:
            sign = self.take()
            right = self.power()
            left = left * right if sign == "*" else left / right
        return left

    def power(self):
        base = self.atom()
        if self.peek() in {"^", "**"}:
            self.take()
            exponent = self.atom()
            assert self.peek() not in {"^", "**"}, "a chain of powers, which languages read differently"
            return base**exponent
        return base

    def atom(self):
        token = self.take()
        if token == "(":
            inner = self.choice()
            assert self.take() == ")"
            return inner
        if token[0].isdigit():
            return float(token)
        if self.peek() != "(":
            return self.env[token]
        self.take()
        args = [self.choice()]
        while self.peek() == ",":
            self.take()
            args.append(self.choice())
        assert self.take() == ")"
        if token in {"A", "THETA"}:
            return self.env[f"{token}({int(args[0])})"]
        return self.CALLS[token.lower()](*args)


def run(lines, env):
    """Carry out assignments and IF blocks."""
    doing = [True]
    for line in lines:
        text = line.split("//")[0].split(";")[0].split("#")[0].strip()
        if not text:
            continue
        if text.startswith("IF ("):
            doing.append(bool(Reader(text[3:].removesuffix("THEN"), env).value()) if doing[-1] else False)
        elif text == "ELSE":
            doing[-1] = not doing[-1] and doing[-2]
        elif text == "ENDIF":
            doing.pop()
        elif doing[-1]:
            target, _, value = text.partition(" = ")
            env[target.removeprefix("double ").strip()] = Reader(value, env).value()
    return env


def block(text, name):
    """Lines of one block, with NONMEM's continuations joined."""
    text = re.sub(r" &\n\s*", " ", text)
    after = text.split(name + "\n", 1)[1]
    return re.split(r"\n(?:\[ |\$)", after)[0].splitlines()


def points(system, rng, count=8):
    for _ in range(count):
        values = {**system.values}
        values |= {n: v * rng.uniform(0.8, 1.2) for n, v in values.items() if v}
        states = dict(zip(system.state_names, rng.uniform(0.1, 3.0, len(system.states)), strict=True))
        yield values, states, float(rng.uniform(-20, 20))


def expected(system, values, states, t):
    env = {**values, **states, "t": t}
    initial = evaluate(system.flat_initial, values)
    rates, outputs = evaluate(system.flat_rates, env), evaluate(system.flat_outputs, env)
    return np.array(rates, dtype=float), np.array(outputs, dtype=float), np.array(initial, dtype=float)


def named(text, comment):
    """Identifiers by bonepk name, from the comments."""
    found = {}
    for line in text.splitlines():
        match = re.match(rf"(?:{comment} )?(?:COMP=\()?([\w]+)\)?.*{comment}? ?.*\(([\w.]+)\)$", line)
        if match:
            found.setdefault(match.group(2), match.group(1))
    return found


def start(system):
    if system.history_start is None:
        return lambda values: 0.0
    return lambda values: float(evaluate([system.history_start], values)[0])


@pytest.mark.parametrize("which", ["odd", "bone"])
def test_mrgsolve_text_computes_what_the_system_does(which, request):
    system = request.getfixturevalue(which)
    text = export(system, "mrgsolve")
    names = named(text, "//")
    for values, states, t in points(system, np.random.default_rng(1)):
        env = {names[n]: v for n, v in (values | states).items()}
        env = run(block(text, "[ MAIN ]"), env)
        clock = t - start(system)(values)
        env = run(block(text, "[ ODE ]"), env | {"SOLVERTIME": clock, "TIME": clock})
        rates = [env[f"dxdt_{names[n]}"] for n in system.state_names]
        env = run(block(text, "[ TABLE ]"), env)
        captured = [line.split(" :")[0] for line in block(text, "[ CAPTURE ] @annotated") if line]
        check(
            system,
            values,
            states,
            t,
            rates,
            [env[n] for n in captured],
            [env[f"{names[n]}_0"] for n in system.state_names],
        )


@pytest.mark.parametrize("which", ["odd", "bone"])
def test_rxode2_text_computes_what_the_system_does(which, request):
    system = request.getfixturevalue(which)
    text = export(system, "rxode2")
    names = named(text, "#")
    lines = text.split("# derived\n")[1].replace("d/dt(", "rate_of(").splitlines()
    lines = [re.sub(r"^(\w+)\((\w+)\) =", r"\1__\2 =", line) for line in lines]
    for values, states, t in points(system, np.random.default_rng(2)):
        env = {names[n]: v for n, v in (values | states).items()}
        env = run(lines, env | {"t": t - start(system)(values)})
        rates = [env[f"rate_of__{names[n]}"] for n in system.state_names]
        outputs = [
            re.match(r"(.*) = ", line)[1]
            for line in text.split("# outputs\n")[1].splitlines()
            if not line.startswith("#")
        ]
        initial = [env[f"{names[n]}__0"] for n in system.state_names]
        check(system, values, states, t, rates, [env[n] for n in outputs], initial)


@pytest.mark.parametrize("which", ["odd", "bone"])
def test_nonmem_text_computes_what_the_system_does(which, request):
    system = request.getfixturevalue(which)
    text = export(system, "nonmem")
    names = named("\n".join(block(text, "$PK")), ";")
    places = {n: f"A({i})" for i, n in enumerate(system.state_names, 1)}
    for values, states, t in points(system, np.random.default_rng(3)):
        pk = [line for line in block(text, "$PK") if not re.match(r"\w+ = \S+ ; \[", line)]
        env = run(
            pk, {names[n]: v for n, v in values.items()} | {places[n]: v for n, v in states.items()} | {"A_0FLG": 1}
        )
        clock = t - start(system)(values)
        env = run(block(text, "$DES"), env | {"T": clock, "TIME": clock, "EPS(1)": 0.0})
        rates = [env[f"DADT({i})"] for i in range(1, len(system.states) + 1)]
        lines = [line for line in block(text, "$ERROR") if not line.startswith("Y = ")]
        env = run(lines, env)
        outputs = [line.split()[1] for line in lines if line.startswith("; ")]
        initial = [env[f"A_0({i})"] for i in range(1, len(system.states) + 1)]
        check(system, values, states, t, rates, [env[n] for n in outputs], initial)


def check(system, values, states, t, rates, outputs, initial):
    want_rates, want_outputs, want_initial = expected(system, values, states, t)
    # both sides round; a rate is a difference of terms up to a million times its size
    np.testing.assert_allclose(rates, want_rates, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(outputs, want_outputs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(initial, want_initial, rtol=1e-9, atol=1e-12)


def test_nonmem_lines_and_names_keep_within_its_limits(bone):
    text = to_nonmem(bone, estimate=["denosumab.CL", "tau_osteoclast"])
    for line in text.splitlines():
        assert line.lstrip().startswith(";") or len(line.split(" ; ")[0]) <= 160
        for word in re.findall(r"[A-Za-z]\w*", line.split(";")[0]):
            assert len(word) <= 20 or line.startswith("$")
    assert "denosumab_CL = THETA(1) ; [mL/day]" in text
    assert "$THETA (40.0, 73.44, 150.0) ; denosumab.CL [mL/day]" in text


def test_routes_become_bioavailability_and_lag(odd, bone):
    assert "F_x = k/2.0;" in export(odd, "mrgsolve")
    assert "ALAG_x = u;" in export(odd, "mrgsolve")
    assert "f(x) = k/2.0;" in export(odd, "rxode2")
    assert "F_denosumab_depot = 1000000.0*denosumab_F;" in export(bone, "mrgsolve")


def test_two_routes_into_one_state_are_refused(odd):
    twice = compose(read_component_text(ODD.replace("[outputs]", 'also = { into = "x" }\n[outputs]'), "twice"))
    with pytest.raises(ModelTextError, match="'drip' and 'also' both enter 'x'"):
        export(twice, "mrgsolve")


@pytest.mark.parametrize("to", FORMATS)
def test_every_text_says_where_it_comes_from(bone, to):
    text = export(bone, to)
    assert bone.hash in text
    assert "sutjandra2011" in text or "10.2165/11594240-000000000-00000" in text


def test_texts_are_the_same_in_every_process(bone, tmp_path):
    script = (
        "import bonepk, hashlib; from bonepk.interop import export; from bonepk.interop.formats import FORMATS\n"
        "s = bonepk.load('aibl', drugs=['denosumab', 'letrozole', 'zoledronate'])\n"
        "p = bonepk.every('denosumab', '60 mg', months=6, doses=2) + bonepk.switch('calcium_vitamin_d', 1.0)\n"
        "texts = [export(s, to, plan=p if to == 'sbml' else None) for to in FORMATS]\n"
        "print([hashlib.sha256(x.encode()).hexdigest() for x in texts])"
    )
    seen = set()
    for seed in ("0", "1", "77"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout)
    assert len(seen) == 1


def test_nothing_is_written_when_an_export_fails(odd, bone, tmp_path):
    target = tmp_path / "model.cpp"
    target.write_text("before")
    with pytest.raises(RegimenError, match="mrgsolve export: a plan"):
        write_export(bone, "mrgsolve", target, plan=bonepk.dose("denosumab", "60 mg"))
    with pytest.raises(NotFoundError, match="did you mean 'mrgsolve'"):
        write_export(bone, "mrgsolv", target)
    assert target.read_text() == "before"
    assert write_export(bone, "mrgsolve", target).read_text() == export(bone, "mrgsolve")
    assert [p.name for p in tmp_path.iterdir()] == ["model.cpp"]


def test_the_command_prints_or_writes(bone, tmp_path):
    assert export_command(bone, "rxode2") == export(bone, "rxode2")
    assert export_command(bone, "latex", tmp_path / "a.tex") == str(tmp_path / "a.tex")
    assert (tmp_path / "a.tex").read_text() == export(bone, "latex")
    with pytest.raises(DataError, match="petab export: no calibration problem"):
        export_command(bone, "petab", tmp_path / "folder")
    with pytest.raises(DataError, match="cannot be written"):
        export_command(bone, "latex", tmp_path / "missing" / "a.tex")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tex"]
