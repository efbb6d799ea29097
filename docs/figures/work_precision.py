"""Draws the work-precision diagram of the engine.

    python docs/figures/work_precision.py     # prints the points, writes work_precision.png

Time is the shortest processor time of repeated calls on one thread; error is the largest error of
any state at any monthly record, relative to that state's largest value. All methods run on the same
machine code with the same exact Jacobian.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "benchmarks"))

from bonepk.engine.batch import integrate_batch  # noqa: E402
from bonepk.engine.integrate import integrate  # noqa: E402
from cases import best, error, flagship, peterson_riggs  # noqa: E402

CASES = {
    "peterson_riggs2012": (peterson_riggs, "Peterson and Riggs 2012, 40 states"),
    "aibl": (flagship, "aibl with denosumab, 17 states"),
}
STYLES = {
    "native Rodas5P": ("#0072b2", "o", 10.0 ** -np.arange(2, 9)),
    "SciPy LSODA": ("#d55e00", "s", 10.0 ** -np.arange(3, 11)),
    "SciPy BDF": ("#009e73", "^", 10.0 ** -np.arange(3, 9)),
    "SciPy Radau": ("#7f7f7f", "v", 10.0 ** -np.arange(3, 9)),
}


def points(name: str, how: str) -> list[tuple[float, float, float]]:
    """Tolerance, error and milliseconds of one method on one case."""
    case, _ = CASES[name]
    c, line = case()
    p = c.parameter_vector()
    found = []
    for rtol in STYLES[how][2]:
        if how == "native Rodas5P":

            def run(rtol: float = rtol) -> np.ndarray:
                return integrate_batch(c, p, line, rtol=rtol, workers=1).y
        else:

            def run(rtol: float = rtol) -> np.ndarray:
                return np.asarray(integrate(c, p, line, method=how.removeprefix("SciPy "), rtol=rtol).y)

        found.append((float(rtol), error(case, run()), 1e3 * best(run, seconds=1.0)))
        print(f"{name:20} {how:16} rtol {rtol:.0e}  error {found[-1][1]:.1e}  {found[-1][2]:8.2f} ms")
    return found


def main() -> None:
    """Measure and draw."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    for axis, (name, (_, title)) in zip(axes, CASES.items(), strict=True):
        for how, (colour, marker, _) in STYLES.items():
            found = points(name, how)
            axis.loglog([e for _, e, _ in found], [t for _, _, t in found], color=colour, marker=marker, label=how)
        axis.set_title(title, loc="left")
        axis.set_xlabel("largest relative error at any record")
        axis.invert_xaxis()
        axis.grid(which="major", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("processor time of one run (ms)")
    axes[0].legend(frameon=False)
    figure.savefig(HERE / "work_precision.png", dpi=120)


if __name__ == "__main__":
    main()
