"""Random files of reactions, rules, volumes and events: bonepk and libRoadRunner agree on every one that is carried."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from bonepk.errors import ModelTextError
from bonepk.interop import read_sbml

sys.path.insert(0, str(Path(__file__).parent))
from sbml_files import build
from test_sbml_read import agreement

FUNCTION = "lambda(a, b, (a + b)/(1 + abs(a*b)))"


class Made:
    """One random file; every choice comes from the seed."""

    def __init__(self, seed):
        self.pick = random.Random(seed)
        p = self.pick
        self.level = p.choice([(2, 4), (2, 5), (3, 1), (3, 2)])
        self.species = {}
        for name in "ABCDE"[: p.randint(2, 5)]:
            settings = {
                "compartment": p.choice("cd"),
                p.choice(["amount", "concentration"]): round(p.uniform(0.2, 4), 3),
            }
            settings["amounts"] = p.random() < 0.35
            settings["boundary"] = p.random() < 0.2
            self.species[name] = settings
        self.names = list(self.species)
        self.parameters = {f"k{i}": round(p.uniform(0.05, 0.6), 3) for i in range(4)} | {"u": 0.4, "x": 1.0}

    def formula(self, depth=2):
        p = self.pick
        if not depth or p.random() < 0.25:
            return p.choice([*self.names, *self.parameters, "time/10", "0.7", "2"])
        a, b = self.formula(depth - 1), self.formula(depth - 1)
        forms = [
            f"({a} + {b})",
            f"({a})*({b})/(1 + abs({b}))",
            f"(0.1 + abs({a}))^0.7",
            f"exp(-abs({a}))",
            f"f({a}, {b})",
        ]
        return p.choice([*forms, f"max({a}, {b})"] if self.level == (3, 2) else forms)

    def text(self):
        p = self.pick
        rate, assign = {"x": f"0.2*({self.formula(1)}) - x"}, {}
        if p.random() < 0.4:
            name = p.choice(self.names)
            rate[name] = f"0.3*({self.formula(1)}) - 0.5*{name}"
            self.species[name]["boundary"] = False
        if p.random() < 0.4 and (name := p.choice(self.names)) not in rate:
            assign[name] = "1 + 0.1*time + k1"
        if p.random() < 0.25:
            rate["d"] = "0.05*d"
        free = [n for n in self.names if n not in rate and n not in assign]
        reactions = [r for i in range(p.randint(1, 4)) if free and (r := self.reaction(i, free))]
        initial = {"k2": "k1*2"} if p.random() < 0.3 else {}
        if p.random() < 0.3 and free:
            initial[p.choice(free)] = "k3 + 1"
        return build(
            *self.level,
            compartments={"c": p.choice([0.5, 1.0, 2.0]), "d": p.choice([1.0, 3.0])},
            species=self.species,
            parameters=self.parameters,
            functions={"f": FUNCTION},
            assign=assign,
            rate=rate,
            initial=initial,
            reactions=reactions,
            events=[self.event([n for n in self.names if n not in assign]) for _ in range(p.randint(0, 3))],
        )

    def reaction(self, number, free):
        p = self.pick
        source, target = p.choice([*free, None]), p.choice([*free, None])
        if source is None and target is None:
            return None
        made = {"id": f"r{number}", "rate": f"k{p.randint(0, 3)}*exp(-abs({self.formula(1)}))"}
        if source:
            made |= {"from": {source: p.choice([0.5, 1, 2])}, "rate": f"{made['rate']}*{source}"}
        if target:
            made["to"] = {target: p.choice([1, 2])}
        if p.random() < 0.3:
            made["local"] = {"k0": 0.3}
        return made

    def event(self, targets):
        p = self.pick
        at = round(p.uniform(0.3, 9), 2)
        target = p.choice(["u", "k0", *targets])
        value = p.choice(["0.4", f"{target} + 0.5", f"{target}*0.5", "k1 + time/10"])
        when = p.choice([f"time > {at}", f"time >= {at}", f"(time > {at}) && (time < {at + 1})"])
        made = {"when": when, "set": {target: value}, "starts": p.random() < 0.7, "at_trigger": p.random() < 0.5}
        return made | ({"delay": "0.35"} if p.random() < 0.3 else {})


def carried(text):
    """Whether bonepk takes a file; what it does not take it refuses by name."""
    try:
        read_sbml(text)
    except ModelTextError as refused:
        return not all("cannot be carried" in str(f) for f in refused.faults)
    return True


SEEDS = [seed for seed in range(55) if carried(Made(seed).text())]


def test_most_random_files_are_carried():
    assert len(SEEDS) > 40


@pytest.mark.parametrize("seed", SEEDS)
def test_random_files_run_as_in_libroadrunner(seed):
    made = Made(seed)
    # solver tolerances of 1e-10 and below, a few hundred steps, a few restarts
    assert agreement(made.text(), [*made.names, "x"], rows=21) < 2e-6
