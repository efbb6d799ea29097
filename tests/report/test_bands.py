"""Intervals in the table and figure of a trial: every row, every band, and what they are made of."""

import pytest

import bonepk
from bonepk.infer import trial_intervals
from bonepk.model.sets import ParameterSet, SetValue
from bonepk.model.spreads import SetEffect, SetError
from bonepk.report import trial_figure, trial_table, trial_text
from bonepk.report.cells import interval_words
from bonepk.study import predict_trial

NAMES = ("halt-bc", "z-fast", "freedom")


@pytest.fixture(scope="module")
def fit():
    values = bonepk.load("aibl").values
    names = ("turnover_trabecular", "turnover_cortical")
    return ParameterSet(
        "made",
        "x",
        "aibl",
        tuple(SetValue(n, values[n]) for n in names),
        draw_names=names,
        draws=tuple(tuple(values[n] * (0.9 + 0.02 * i) for n in names) for i in range(11)),
        effects=(SetEffect("entry", ("+years_since_fmp",), "identity", 2.0),),
        errors=(SetError("bmd", 0.5, 0.2, 0.8, 0.5, 4.5),),
    )


@pytest.fixture(scope="module", params=NAMES)
def both(request, fit):
    return predict_trial(request.param), trial_intervals(request.param, parameters=fit, draws=11)


def test_table_has_the_interval_of_every_number(both):
    result, intervals = both
    text = trial_text(result, intervals)
    assert "90 % interval" in text.splitlines()[[t.split()[:1] for t in text.splitlines()].index(["month"])]
    for k, found in intervals.rows.items():
        row = result.rows[k]
        words = f"{found.low:+.1f} to {found.high:+.1f}" if row.row.kind != "ratio" else ""
        shown = words.replace("+0.0", "0.0").replace("-0.0", "0.0")
        lines = [t.split() for t in text.splitlines() if shown in t]  # two rows may share an interval to a decimal
        assert any(("yes" if found.inside else "no") in line for line in lines)
    assert "11 draws of set 'made'" in text
    assert "90 % interval" not in trial_text(result)
    assert max(map(len, text.splitlines())) <= 200


def test_events_have_no_interval(fit):
    result, intervals = predict_trial("freedom"), trial_intervals("freedom", parameters=fit, draws=11)
    events = [k for k, r in enumerate(result.rows) if r.predicted is not None and r.row.obstacle]
    assert events
    assert not set(events) & set(intervals.rows)
    assert interval_words(result.rows[events[0]]) == ""


def test_coloured_table_too(both):
    from rich.console import Console

    result, intervals = both
    console = Console(width=220, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(trial_table(result, intervals))
        assert "90 % interval" in console.export_text()


def test_where_there_are_no_intervals_one_line_says_why():
    result = predict_trial("halt-bc")
    nothing = trial_intervals("halt-bc", parameters={"turnover_trabecular": 0.2})
    lines = trial_text(result, nothing).splitlines()
    assert lines.count("no intervals: values given by name say nothing of their uncertainty") == 1
    assert not any("holds it" in line for line in lines)


def test_figure_has_bands_around_courses_and_a_bar_at_every_point(both, tmp_path, monkeypatch):
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.figure import Figure

    kept = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: kept.append(self))
    result, intervals = both
    trial_figure(result, tmp_path / "x.png")
    trial_figure(result, tmp_path / "x.png", intervals)
    plain, banded = kept
    shapes = [c for axes in plain.axes for c in axes.collections]
    assert shapes == []
    solid = 0
    for axes in banded.axes:
        bands = [c for c in axes.collections if isinstance(c, PolyCollection)]
        courses = [line for line in axes.lines if len(line.get_xdata()) > 10 and line.get_linewidth() > 1.5]
        assert len(bands) == 2 * len(courses)  # arms drawn thin, beside their difference, have none
        solid += len(courses)
    assert solid
    bars = [c for axes in banded.axes for c in axes.collections if isinstance(c, LineCollection)]
    assert len(bars) == 2 * len(intervals.rows)  # a bar and its caps
    marks = [[m.get_marker() for a in f.axes for m in a.lines if m.get_marker() in {"o", "D", "x"}] for f in kept]
    assert marks[0] == marks[1]
    words = [t.get_text() for t in banded.legends[0].get_texts()]
    assert [w for w in words if w.startswith("90 %")] == [
        "90 % of draws: parameters",
        "90 % of draws: and between trials",
        "90 % interval for the number",
    ]


def test_the_line_of_a_band_lies_within_it(both, tmp_path, monkeypatch):
    """The middle one of the eleven draws is the model itself."""
    result, intervals = both
    course = result.courses["bmd_total_hip"].transpose("arm", "month")
    inner = intervals.courses["bmd_total_hip"].sel(source="parameters")
    # two integrators, good to 0.001 points
    assert bool((inner.sel(bound="low") <= course + 0.002).all())
    assert bool((course <= inner.sel(bound="high") + 0.002).all())
    outer = intervals.courses["bmd_total_hip"].sel(source="parameters and trials")
    assert float((outer.sel(bound="high") - outer.sel(bound="low")).sum()) > 0
