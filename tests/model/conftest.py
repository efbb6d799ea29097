"""Small real models: turnover of one marker, an oral drug, an injected drug, a shared module."""

from __future__ import annotations

from pathlib import Path

import pytest

TURNOVER = """\
kind = "core"
title = "Turnover of one marker"
time = "day"
steady = true
notes = '''
A marker that is made and lost.
Its "baseline" is where both balance; a backslash \\ stays.
'''

[references]
gabrielsson = { text = "Gabrielsson and Weiner, Pharmacokinetic and pharmacodynamic data analysis", doi = "10.1201/x" }

[parameters]
k_in = { value = 20, unit = "ng/(mL*day)", source = "gabrielsson ch. 4", label = "production", range = [1, 100] }
k_out = { value = 0.1, unit = "1/day", source = "assumed", note = "half-life of a week", label = "loss" }
power = { value = 1.5, unit = "1", source = "fixed", note = "shape" }

[inputs]
season = { value = 0, unit = "1", label = "summer" }

[derived]
baseline = { expr = "k_in/k_out", unit = "ng/mL", label = "marker at balance" }

[states]
marker = { initial = "baseline", unit = "ng/mL", label = "marker" }

[slots]
inhibition = { combine = "product", neutral = 1, unit = "1", label = "factor on production" }
stimulation = { combine = "sum", neutral = 0, unit = "1" }

[quantities]
relative = { expr = "marker/baseline", unit = "1", label = "times baseline" }
production_rate = "k_in*inhibition*(1 + stimulation)*(1 + 0.1*season)"

[fluxes]
production = { to = "marker", rate = "production_rate" }
loss = { from = "marker", rate = "k_out*marker", label = "first order" }

[outputs]
index = { expr = "relative**power", unit = "1", label = "index" }
level = "marker"
"""

TABLET = """\
kind = "template"
title = "Tablet"
time = "day"

[parameters]
ka = { value = 10, unit = "1/day", source = "assumed", note = "fast" }
CL = { value = 50, unit = "L/day", source = "assumed", note = "to be replaced" }
V = { value = 100, unit = "L", source = "assumed", note = "to be replaced" }
EC50 = { value = 10, unit = "nmol/L", source = "assumed", note = "to be replaced" }

[states]
gut = { initial = 0, unit = "nmol" }
body = { initial = 0, unit = "nmol" }

[quantities]
conc = { expr = "body/V", unit = "nmol/L", label = "plasma concentration" }

[fluxes]
absorption = { from = "gut", to = "body", rate = "ka*gut" }
elimination = { from = "body", rate = "CL*conc" }

[routes]
oral = { into = "gut", unit = "mg", bioavailability = 0.5, lag = "0", molar_mass = 250 }

[outputs]
conc = "conc"
"""

BLOCKER = """\
kind = "drug"
title = "Blocker"
for = "turnover"
based_on = "tablet"

[parameters]
CL = { value = 30, unit = "L/day", source = "assumed", note = "slower" }

[modifies]
inhibition = "1/(1 + conc/EC50)"
"""

BOOSTER = """\
kind = "drug"
title = "Booster"
time = "day"
for = ["turnover", "other"]

[references]
smith2001 = { text = "Smith 2001" }

[parameters]
k = { value = 0.2, unit = "1/day", source = "smith2001 table 1", range = [0.1, 0.4] }
ED50 = { value = 5, unit = "mg", source = "smith2001" }
F = { value = 0.8, unit = "1", source = "smith2001" }

[states]
depot = { initial = 0, unit = "mg" }

[fluxes]
elimination = { from = "depot", rate = "k*depot" }

[modifies]
stimulation = "depot/(ED50 + depot)"

[routes]
sc = { into = "depot", bioavailability = "F", label = "subcutaneous" }
"""

SEASONS = """\
kind = "module"
title = "A slow rhythm"
time = "day"
for = "turnover"

[parameters]
period = { value = 365.25, unit = "day", source = "fixed", note = "a year" }
depth = { value = 0.05, unit = "1", source = "assumed", note = "small" }

[states]
lagged = { initial = 0, unit = "1" }

[rates]
lagged = "(depth*sin(2*pi*t/period) - lagged)/period"

[modifies]
inhibition = "1 + lagged"
"""

FILES = {
    "turnover.toml": TURNOVER,
    "templates/tablet.toml": TABLET,
    "drugs/blocker.toml": BLOCKER,
    "drugs/booster.toml": BOOSTER,
    "modules/seasons.toml": SEASONS,
}


class Folder:
    """Model files in a temporary folder, changed by the test before they are read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> Path:
        """Write a file below the folder."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def edit(self, name: str, old: str, new: str) -> int:
        """Replace one piece of a file's text; the line where it stands."""
        text = (self.path / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        self.write(name, text.replace(old, new))
        return text[: text.index(old)].count("\n") + 1


@pytest.fixture(scope="session")
def samples() -> dict[str, str]:
    """Text of each sample file by its path."""
    return FILES


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Folder:
    """A folder with the sample models, found by name."""
    made = Folder(tmp_path / "mine")
    monkeypatch.chdir(made.path)
    monkeypatch.setenv("BONEPK_MODELS", str(made.path))
    monkeypatch.setenv("BONEPK_CACHE_DIR", str(tmp_path / "cache"))
    return made
