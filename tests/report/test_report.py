"""Tables, figures and the page say what the result says, and nothing is left out."""

import builtins
import re

import pytest

from bonepk.errors import DataError, MissingExtraError
from bonepk.report import (
    trial_figure,
    trial_table,
    trial_text,
    trials_text,
    validation_text,
)
from bonepk.report.cells import line_of, number
from bonepk.study import predict_trial, trial_names


@pytest.fixture(scope="module")
def z_fast(validation):
    return validation.trials[0]


def test_table_has_every_row_and_every_source(validation):
    for result in validation.trials:
        text = trial_text(result)
        for row in result.rows:
            line = line_of(row, result.trial)
            assert any(line.observed in t and line.endpoint in t for t in text.splitlines()), line
        for citation in result.trial.citations.values():
            assert citation.text.split(",")[0] in text
        for sentence in result.trial.population.approximations:
            assert sentence.split(";")[0][:40] in text


def test_table_of_z_fast(z_fast):
    text = trial_text(z_fast)
    row = next(r for r in z_fast.rows if r.row.endpoint == "bmd_lumbar_spine" and r.row.month == 12)
    spread = row.row.spread
    line = next(t for t in text.splitlines() if "lumbar spine BMD" in t and t.split()[0] == "12")
    assert f"{row.row.value:+.1f} ({spread.low:+.1f} to {spread.high:+.1f})" in line
    assert f"{row.predicted:+.1f}" in line
    assert line.split()[-2:] == ["in" if row.within else "out", "[1]"]
    event = next(t for t in text.splitlines() if "fracture, any" in t and t.split()[0] == "61")
    assert "predicted" in event.split(), "a fracture says whether it was fitted or predicted"
    assert "predicted, never fitted" in text
    assert "not predicted yet (4)" in text
    assert "not compared: the same women as the incidence (4)" in text
    assert max(map(len, text.splitlines())) <= 175


def test_recalled_numbers_are_marked(validation):
    atac = next(t for t in validation.trials if t.trial.name == "atac")
    marked = [t for t in trial_text(atac).splitlines() if "] recalled" in t]
    assert len(marked) == sum(r.row.confidence == "memory" for r in atac.rows)


def test_coloured_table(z_fast):
    from rich.console import Console

    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    with console.file:
        console.print(trial_table(z_fast))
        shown = console.export_text()
    assert shown.count("lumbar spine BMD") == 3


def test_list_of_trials():
    text = trials_text()
    assert [line.split()[0] for line in text.splitlines()[1:]] == list(trial_names())
    assert "ABCSG-18" in text


def test_summary_text(validation):
    text = validation_text(validation)
    assert re.search(r"predicted, never fitted\s+BMD", text)
    assert "worst ten, BMD" in text
    assert f"{len(validation.rows)} numbers" in text


NUMBERS = [
    (4.4, True, 1, "+4.4"),
    (-0.04, True, 1, "0.0"),
    (-0.06, True, 1, "-0.1"),
    (12, False, 0, "12"),
    (0, True, 1, "0.0"),
]


@pytest.mark.parametrize(("value", "signed", "digits", "text"), NUMBERS)
def test_numbers(value, signed, digits, text):
    assert number(value, signed, digits) == text


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_figure_is_written(z_fast, tmp_path, ending):
    path = trial_figure(z_fast, tmp_path / f"z.{ending}")
    assert path.stat().st_size > 20_000
    if ending == "svg":
        assert "months since study start" in path.read_text() or "<path" in path.read_text()


def test_figure_shows_every_predicted_point(validation, tmp_path, monkeypatch):
    """Each row predicted from a course is one marker in the figure."""
    from matplotlib.figure import Figure

    kept = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: kept.append(self))
    for result in validation.trials:
        shown = [r for r in result.rows if r.predicted is not None and not r.row.obstacle]  # events have no course
        if not shown:
            continue
        kept.clear()
        trial_figure(result, tmp_path / "x.png")
        marks = [line for axes in kept[0].axes for line in axes.lines if line.get_marker() not in {"None", None, ""}]
        assert len(marks) == len(shown), result.trial.name
        filled = [m for m in marks if m.get_marker() in "oD" and m.get_markerfacecolor() != "white"]
        assert len(filled) == sum(r.use == "prediction" and not r.status for r in shown)
        texts = " ".join(t.get_text() for t in kept[0].texts)
        assert result.trial.title in texts.replace("\n", " ")
        assert "Sources" in texts


def test_figure_of_a_trial_without_predictions_is_refused(validation, tmp_path):
    azure = next(t for t in validation.trials if t.trial.name == "azure")
    with pytest.raises(DataError, match="no row that can be predicted"):
        trial_figure(azure, tmp_path / "x.png")


def without(monkeypatch, package):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_missing_extras_are_named(z_fast, tmp_path, monkeypatch):
    without(monkeypatch, "matplotlib")
    with pytest.raises(MissingExtraError, match=r'pip install "bonepk\[plot\]"'):
        trial_figure(z_fast, tmp_path / "z.png")
    monkeypatch.undo()
    without(monkeypatch, "rich")
    with pytest.raises(MissingExtraError, match=r"pip install 'bonepk\[cli\]'"):
        trial_table(z_fast)


def test_predict_again_gives_the_same(z_fast):
    again = predict_trial("z-fast")
    assert [r.predicted for r in again.rows] == [r.predicted for r in z_fast.rows]


def test_a_virtual_trial_shows_its_fractures_beside_the_published(tmp_path):
    import bonepk as bp
    from bonepk.report import virtual_figure, virtual_text
    from bonepk.report.events import event_ratio, survival_of
    from bonepk.study.outcomes import FractureOutcome, untreated

    outcome = FractureOutcome(untreated(bp.load("aibl")))
    result = bp.virtual_trial("abcsg-18", 300, seed=3, outcome=outcome, workers=1)
    text = virtual_text(result)
    rows = {r.arm: r.value for r in result.trial.rows if r.kind == "incidence" and r.month == 84}
    for arm in result.arms:
        part, low, high = survival_of(result, arm.name, "clinical").at(84)
        assert 0 < low < part < high < 1
        assert f"month 84  {arm.label}: {100 * part:.1f} ({100 * low:.1f} to {100 * high:.1f})" in text
        assert f"published {rows[arm.name]:.1f}" in text
    ratio = event_ratio(result, "clinical", "denosumab", "placebo")
    assert ratio is not None
    assert f"denosumab / placebo: {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" in text
    assert virtual_figure(result, tmp_path / "v.png").stat().st_size > 20_000


def test_legend_draws_an_arm_as_it_is_drawn(tmp_path, monkeypatch):
    """Arms of ABCSG-18 stand beside a difference only, those of FREEDOM have points of their own as well."""
    from matplotlib.figure import Figure

    legends = []
    monkeypatch.setattr(Figure, "legend", lambda self, handles, **kept: legends.append(handles))
    for name in ("abcsg-18", "freedom"):
        trial_figure(predict_trial(name), tmp_path / f"{name}.png")
    styles = [{h.get_label(): h.get_linestyle() for h in handles} for handles in legends]
    assert styles[0]["aromatase inhibitor + placebo"] == "--"
    assert styles[0]["denosumab against placebo"] == "-"
    assert styles[1]["denosumab"] == "-"
