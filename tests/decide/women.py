"""Women for the tests of guidelines."""

from hypothesis import strategies as st

from bonepk.decide import FACTS, Facts
from bonepk.errors import DataError

NO_RISK = {
    "age": 60.0,
    "bmi": 27.0,
    "parental_hip_fracture": False,
    "fragility_fracture": False,
    "glucocorticoid_months": 0.0,
    "smoking": False,
}
"""No factor of the lists of 2017 and 2020 apart from the T-score."""

STARTER = {**NO_RISK, "aromatase_inhibitor": True, "menopause": "natural"}


def woman(t=None, **more):
    """A woman after menopause who starts an aromatase inhibitor, with no risk factor but what is said."""
    return Facts(**{**STARTER, **({} if t is None else {"t_femoral_neck": t}), **more})


def _values(fact):
    if fact.kind == "flag":
        return st.booleans()
    if fact.kind == "choice":
        return st.sampled_from(fact.choices)
    marks = {
        "age": [40, 44, 45, 60, 65, 66, 75, 76],
        "age_at_menopause": [40, 44, 45, 50],
        "bmi": [21, 22, 23, 24, 27],
        "glucocorticoid_months": [0, 6, 7],
        "alcohol": [0, 4],
        "frax_major": [5, 20],
        "frax_hip": [1, 3],
        "denosumab_years": [0, 2.5, 3],
        "months_since_denosumab": [3, 6, 7, 8],
        "creatinine_clearance": [29, 30, 34, 35, 39.9, 40, 50, 60, 61],
        "egfr": [29, 30],
        "oral_bisphosphonate_years": [0, 1, 5, 10],
        "iv_bisphosphonate_years": [0, 3, 6],
        "creatinine": [0.8, 0.9, 1.4, 1.9],
        "creatinine_baseline": [0.8, 0.9],
    }
    if fact.name.startswith("t_"):
        marks[fact.name] = [-2.6, -2.5, -2.1, -2.0, -1.9, -1.6, -1.5, -1.4, -1.1, -1.0, -0.9, 0]
    if fact.name.startswith("loss_"):
        marks[fact.name] = [-1, 3.9, 4, 4.1, 4.9, 5, 9.9, 10, 12]
    return st.sampled_from([float(v) for v in marks[fact.name]])


@st.composite
def facts(draw, least=()):
    """Facts on and around the numbers that rules name; `least` are always known."""
    said = {}
    for name, fact in FACTS.items():
        if name in least or draw(st.booleans()):
            said[name] = draw(_values(fact))
    left_out = []
    for name in (None, "dxa_available", "age_at_menopause", "frax_hip", "menopause"):  # what may clash goes first
        left_out.append(name)
        try:
            return Facts(**{k: v for k, v in said.items() if k not in left_out})
        except DataError:
            continue
    raise AssertionError(said)
