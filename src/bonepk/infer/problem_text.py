"""Problem files: TOML text to a `Problem`, with every fault at once. The format is in ``docs/calibration.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bonepk.errors import DataError, Faults
from bonepk.infer.descent import Tolerance
from bonepk.infer.free import SCALES, Effect, Free, Prior
from bonepk.infer.loss import LOSSES, Loss
from bonepk.infer.predictor import DERIVATIVES, Predictor
from bonepk.infer.problem import Problem
from bonepk.infer.rows import ErrorModel
from bonepk.infer.table import read_table
from bonepk.infer.trials import TYPICAL, Trials
from bonepk.model.toml_lines import read_toml
from bonepk.study.fields import Fields

__all__ = ["load_problem", "read_free"]


def load_problem(source: str | Path, *, file: str | None = None) -> Problem:
    """Read a problem file, or text if `file` names it.

    Raises
    ------
    DataError
        With every fault, each as ``file:line [table.key]: found; expected; cure``.
    """
    data, lines = read_toml(source, file=file, error=DataError)
    folder = Path(source).parent if file is None else Path()
    faults = Faults()
    top = Fields(data, (), lines, faults)
    title, model = top.text("title", required=True), top.text("model") or "aibl"
    free = [read_free(name, one) for name, one in _named(top.table("parameters", required=True))]
    effects = [_effect(name, one) for name, one in _named(top.table("effects"))]
    kinds = _named(top.table("errors"))
    errors, typical = {}, dict(TYPICAL)
    for name, one in kinds:
        if (sd := one.number("typical", low=0)) is not None:
            typical[name] = sd
        errors[name] = _error_model(one)
    fixed = _numbers(top.table("fixed"))
    search = top.table("search")
    derivatives = search.choice("derivatives", DERIVATIVES, "derivatives") or DERIVATIVES[0]
    predictor = _predictor(top.table("data", required=True), model, typical, fixed, folder, derivatives, faults)
    loss = _loss(top.table("loss"))
    starts, seed = search.whole("starts") or 1, search.whole("seed", low=0) or 0
    spread, rounds = search.number("spread", low=0, high=3), search.whole("rounds", low=0)
    usual = Tolerance()
    evaluations, cost = search.whole("evaluations"), search.number("tolerance", low=1e-12, high=1e-2)
    search.close()
    top.close()
    faults.raise_as(DataError)
    if predictor is None:  # a fault was raised above
        raise DataError(f"{lines.file}: no data")
    return Problem(
        predictor=predictor,
        free=tuple(p for p in free if p is not None),
        effects=tuple(effects),
        errors=errors,
        loss=loss,
        starts=starts,
        spread=1.0 if spread is None else spread,
        rounds=6 if rounds is None else rounds,
        seed=seed,
        tolerance=Tolerance(cost=cost or usual.cost, evaluations=evaluations or usual.evaluations),
        title=title,
        place=lines.file,
    )


def _named(table: Fields) -> list[tuple[str, Fields]]:
    return [(name, table.table(name)) for name in table.data]


def _numbers(table: Fields) -> dict[str, float]:
    found = {name: table.number(name) for name in table.data}
    return {name: value for name, value in found.items() if value is not None}


def read_free(name: str, one: Fields) -> Free | None:
    """Read one fitted parameter; faults go to the table's collection."""
    start = one.number("start", required=True)
    bounds = one.numbers("bounds", required=True)
    scale = one.choice("scale", SCALES, "scale") or "log"
    also = one.texts("also")
    prior = None
    if "prior" in one.data:
        inner = one.table("prior")
        value, sd = inner.number("value"), inner.number("sd", required=True)
        source = inner.text("source", required=True)
        inner.close()
        if sd is not None and start is not None:
            prior = Prior(start if value is None else value, sd, source)
    one.close()
    if bounds and len(bounds) != 2:
        one.faults.add(one.place("bounds"), f"{len(bounds)} numbers", "expected the lower and the upper bound")
        return None
    if start is None or not bounds:
        return None
    return Free(name, start, bounds[0], bounds[1], scale, prior, also)


def _effect(name: str, one: Fields) -> Effect:
    parameters = one.texts("parameters")
    if not parameters:
        one.faults.add(one.place("parameters"), "no parameter", cure='add parameters = ["..."]')
    sd = one.number("sd", required=True)
    scale = one.choice("scale", SCALES, "scale") or "log"
    estimate, together = one.flag("estimate"), one.texts("together")
    one.text("source")
    one.close()
    return Effect(name, parameters, sd or 1.0, scale, estimate, together)


def _error_model(one: Fields) -> ErrorModel:
    usual = ErrorModel()
    parts: dict[str, float] = {}
    for key in ("sd", "shared", "visits", "outputs"):
        value = one.number(key, low=0, high=1e9 if key == "sd" else 0.999)
        parts[key] = getattr(usual, key) if value is None else value
    estimate = one.flag("estimate")
    one.text("source")
    one.close()
    return ErrorModel(**parts, estimate=estimate)


def _loss(table: Fields) -> Loss:
    name = table.choice("name", LOSSES, "loss") or "linear"
    width = table.number("width", low=1e-6)
    table.close()
    return Loss(name, 2.0 if width is None else width)


def _predictor(
    table: Fields,
    model: str,
    typical: Mapping[str, float],
    fixed: Mapping[str, float],
    folder: Path,
    derivatives: str,
    faults: Faults,
) -> Predictor | None:
    if "table" in table.data:
        return read_table(table, model, fixed, folder, derivatives)
    if "use" not in table.data and "trials" not in table.data:
        cure = 'write use = "calibration", trials = ["..."], or table = "file.csv"'
        faults.add(table.place(), "no data", cure=cure)
    use = table.choice("use", ("calibration", "prediction", "all"), "use") or "all"
    names, families = table.texts("trials"), table.texts("families")
    memory, rtol = table.number("memory", low=0, high=1), table.number("rtol", low=1e-10, high=1e-3)
    table.close()
    if len(faults):
        return None
    more: dict[str, Any] = {} if rtol is None else {"rtol": rtol}
    return Trials(
        model=_path(model, folder),
        use="" if use == "all" else use,
        names=names,
        families=families,
        memory=0.25 if memory is None else memory,
        typical=typical,
        parameters=dict(fixed),
        derivatives=derivatives,
        **more,
    )


def _path(model: str, folder: Path) -> str:
    """Take a model given as a path from the problem file's folder."""
    return str(folder / model) if model.endswith(".toml") else model
