"""A core with a closed form, trials of it as text, and a generator whose spreads are known."""

from dataclasses import replace

import numpy as np

from bonepk.study import read_trial

# bone falls by `loss` a year, half as fast on calcium: exp(-loss*(1 - 0.5*calcium)*years); `trap` leaves every bound
# within a week where the loss is above 1
MODEL = """
kind = "core"
title = "Exponential loss"
time = "day"
{fit}
[parameters]
years_since_fmp = {{ value = 0, unit = "year", source = "fixed", note = "only a label here" }}
loss = {{ value = 0.03, unit = "1/year", source = "fixed", note = "made up" }}
year = {{ value = 365.25, unit = "day/year", source = "fixed", note = "conversion" }}
E0 = {{ value = 20, unit = "pmol/L", source = "fixed", note = "made up" }}
day = {{ value = 1, unit = "day", source = "fixed", note = "unit" }}
high = {{ value = 1, unit = "1/year", source = "fixed", note = "where the trap opens" }}

[inputs]
calcium_vitamin_d = {{ value = 0, unit = "1" }}

[states]
bone = {{ initial = 1, unit = "1", label = "bone" }}
trap = {{ initial = 1, unit = "1", label = "trap" }}

[fluxes]
loss_of_bone = {{ from = "bone", rate = "loss/year*(1 - 0.5*calcium_vitamin_d)*bone" }}

[rates]
trap = "where(loss > high, 1, 0)*trap**2/day"

[outputs]
bmd_lumbar_spine = {{ expr = "bone", unit = "1", label = "spine" }}
ctx = {{ expr = "bone", unit = "1", label = "a marker" }}
estradiol = {{ expr = "E0*bone", unit = "pmol/L", label = "estradiol" }}
"""
TRIAL = """
[trial]
title = "Made up"
year = 2020
design = "made up"
[citations]
none = { text = "none" }
[population]
description = "women"
n = 100
years_since_fmp = { value = 10, source = "assumed", note = "n" }
[[arms]]
name = "calcium"
n = 100
regimen = [{ switch = "calcium_vitamin_d", to = 1 }]
[[arms]]
name = "control"
n = 100
[results]
rows = [
ROWS
]
"""
CHANGE = (
    '{{ arm = "{arm}", endpoint = "bmd_lumbar_spine", kind = "percent_change", month = {month}, value = {value}, '
    'unit = "%", spread = {{ type = "se", low = {low}, high = {high} }}, cite = "none", confidence = "verified" }},\n'
)
ROW = '{{ arm = "control", endpoint = "{endpoint}", {more}, cite = "none", confidence = "verified" }},\n'
LOSS, PARAMETER, TRIAL_SD, MODEL_SD, SE = 0.03, 0.2, 0.3, 0.5, 0.4


def trial_of(rows, name="made-up"):
    return replace(read_trial(TRIAL.replace("ROWS", rows), file="x.toml"), name=name)


def simulated_rows(rng, parameter=PARAMETER):
    """Rows of a trial: parameters and shift drawn, errors of model and sampling on every number."""
    loss = LOSS * np.exp(rng.normal(0, parameter) + rng.normal(0, TRIAL_SD))
    rows = ""
    for arm, pace in (("calcium", 0.5), ("control", 1.0)):
        for month in (12, 36, 60):
            value = 100 * (np.exp(-loss * pace * month / 12) - 1) + rng.normal(0, np.hypot(MODEL_SD, SE))
            rows += CHANGE.format(arm=arm, month=month, value=value, low=value - SE, high=value + SE)
    return rows
