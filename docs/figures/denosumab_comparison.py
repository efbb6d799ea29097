"""Asks every model with denosumab the same question and draws the answers.

    python docs/figures/denosumab_comparison.py     # prints the table, writes denosumab_comparison.png

The question: 60 mg every six months, four times, then nothing, in a woman ten years after her
menopause. Observed values are those of DEFEND, from validation/trials/defend.toml.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import bonepk as bp

HERE = Path(__file__).parent
DEFEND = HERE.parents[1] / "validation" / "trials" / "defend.toml"
YEARS = 8


@dataclass(frozen=True)
class Answerer:
    """A model, how it is asked, and which of its variables answer."""

    name: str
    label: str
    colour: str
    bone: dict[str, str]
    resorption: str
    drugs: tuple[str, ...] = ()
    parameters: dict[str, float] = field(default_factory=dict)


MODELS = (
    Answerer(
        "aibl",
        "aibl (store of precursors)",
        "#0072b2",
        {"lumbar spine": "bmd_lumbar_spine", "total hip": "bmd_total_hip"},
        "resorption",
        drugs=("denosumab",),
        parameters={"years_since_fmp": 10},
    ),
    Answerer(
        "peterson_riggs2012",
        "Peterson and Riggs 2012 (latent TGF-beta)",
        "#d55e00",
        {"lumbar spine": "BMDlsDEN"},
        "OC",
    ),
    Answerer(
        "jorg2022", "Jörg 2022 (pre-osteoclasts)", "#009e73", {"total hip": "BMD"}, "rho_C", parameters={"age_0": 60}
    ),
    Answerer("martinez_reina2019", "Martínez-Reina 2019, cells (no store)", "#7f7f7f", {"bone volume": "BV"}, "OCa"),
)
STYLE = {"lumbar spine": "-", "total hip": "--", "bone volume": ":"}


def ask(who: Answerer):
    """Run one model: months, percent change of bone by site, resorption over baseline."""
    model = bp.load(who.name, drugs=list(who.drugs))
    plan = bp.every("denosumab", "60 mg", months=6, doses=4)
    run = bp.simulate(model, plan, years=YEARS, every="1 week", parameters=who.parameters, states=True)
    bone = {site: 100 * (run[v].values / float(run[v][0]) - 1) for site, v in who.bone.items()}
    return run["month"].values, bone, run[who.resorption].values / float(run[who.resorption][0])


def observed() -> dict[str, tuple[float, float]]:
    """Month and percent change of DEFEND, by site."""
    rows = tomllib.loads(DEFEND.read_text(encoding="utf-8"))["results"]["rows"]
    sites = {"bmd_lumbar_spine": "lumbar spine", "bmd_total_hip": "total hip"}
    return {
        sites[r["endpoint"]]: (r["month"], r["value"])
        for r in rows
        if r["arm"] == "denosumab"
        and r["endpoint"] in sites
        and r["kind"] == "percent_change"
        and "not_scored" not in r
    }


def main() -> None:
    """Print the table and write the figure."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    asked = (24, 36, 48, 96)
    print("| model | site | " + " | ".join(f"{m} months" for m in asked) + " | highest resorption |")
    print("|---|---|" + "---|" * (len(asked) + 1))
    for who in MODELS:
        month, bone, resorption = ask(who)
        for site, change in bone.items():
            left.plot(month / 12, change, STYLE[site], color=who.colour, label=f"{who.label}, {site}")
            values = " | ".join(f"{np.interp(m, month, change):+.1f} %" for m in asked)
            peak = month[np.argmax(resorption)]
            highest = f"{resorption.max():.2f} at month {peak:.0f}" if resorption.max() > 1.01 else "none"
            print(f"| {who.name} | {site} | {values} | {highest} |")
        right.plot(month / 12, resorption, color=who.colour, label=who.label)
    for site, (month, value) in observed().items():
        marker = {"lumbar spine": "o", "total hip": "s"}[site]
        left.plot(month / 12, value, marker, color="black", ms=6, label=f"observed, {site} (DEFEND)")
    for axes in (left, right):
        axes.axvspan(0, 2, color="#f0e442", alpha=0.25, lw=0)
        axes.set_xlabel("years since the first dose")
    left.axhline(0, color="black", lw=0.6)
    right.axhline(1, color="black", lw=0.6)
    left.set_ylabel("change of bone (%)")
    right.set_ylabel("resorbing osteoclasts (times baseline)")
    left.legend(fontsize=7, loc="upper right")
    right.legend(fontsize=7)
    figure.savefig(HERE / "denosumab_comparison.png", dpi=130, metadata={"Software": ""})


if __name__ == "__main__":
    main()
