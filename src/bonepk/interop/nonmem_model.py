"""A system as the skeleton of a NONMEM control stream: $MODEL, $PK, $DES, $ERROR."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bonepk.errors import Fault, Faults, NotFoundError, near
from bonepk.interop.code_text import FORTRAN, Code, header, leaves, route_of
from bonepk.interop.names import identifiers
from bonepk.model.expr import ONE, ZERO, num, symbols_of
from bonepk.model.system import TIME, System

__all__ = ["to_nonmem"]

_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    A DADT T P THETA ETA EPS ERR ID TIME AMT RATE CMT EVID MDV DV II ADDL SS F S Y NEWIND ICALL IF THEN ELSE
    ENDIF DO WHILE ENDDO CALLFL COMRES MTIME MPAST MNEXT EXIT CALL RETURN GOTO LOG EXP SQRT SIN COS TAN TANH
    ABS INT MIN MAX MOD GAMLN PHI LOG10 TSTATE DOSTIM DOSREC ISFINL IREP NPROB ONLY PROB SIG TOL W L1 L2 DEN
    IPRED MTIMES START
    """,
    )
)
_LENGTH = 20
_WIDTH = 140


def to_nonmem(system: System, label: str = "", estimate: Sequence[str] = ()) -> str:
    """Write a system as a NONMEM control stream to be completed.

    Parameters
    ----------
    system : System
    label : str
        Name of the parameter set for the head of the text.
    estimate : sequence of str
        Parameters that become THETA; all others are constants in $PK.

    Returns
    -------
    str
        $INPUT, $DATA, the error model and the steps are a skeleton. TIME 0 is the moment at which
        the initial state holds: the start of the model's history if it has one.

    Raises
    ------
    NotFoundError
        If a name in `estimate` is no parameter.
    ModelTextError
        If several routes enter one state.
    """
    faults = Faults()
    for name in estimate:
        if name not in system.parameter_names:
            place, found = f"estimate '{name}'", f"no parameter of '{system.name}'"
            faults.extend([Fault(place, found, "", near(name, system.parameter_names))])
    faults.raise_as(NotFoundError)
    routes = route_of(system, "NONMEM")
    own = [*system.parameter_names, *system.input_names, *(d.name for d in system.derived)]
    quantities = [q.name for q in system.quantities]
    keys = [*own, *quantities, *(f"error {q}" for q in quantities), *(f"output {o.name}" for o in system.outputs)]
    number = {f"{kind}{i}" for kind in ("S", "F", "R", "D", "ALAG") for i in range(1, len(system.states) + 1)}
    ids = identifiers([*keys, TIME, "error time"], {*_WORDS, *number}, fold=True, adapt=_short)
    states = {s.name: f"A({i})" for i, s in enumerate(system.states, start=1)}
    names = ids | states
    pk = Code(FORTRAN, names, "WP")
    des = Code(FORTRAN, names, "WD")
    in_error = names | {q: ids[f"error {q}"] for q in quantities} | {TIME: ids["error time"]}
    error = Code(FORTRAN, in_error, "WE")

    lines = [*header(system, ";", label), "", f"$PROBLEM {' '.join(system.title.split())[:60]}"]
    lines += [
        "$INPUT ID TIME AMT RATE CMT EVID MDV DV",
        "$DATA data.csv IGNORE=@",
        "$SUBROUTINES ADVAN13 TOL=9",
        "",
        "$MODEL",
    ]
    for i, s in enumerate(system.states, start=1):
        lines.append(f"COMP=(C{i}) ; A({i}) [{s.unit}] {s.label} ({s.name})")
    lines += ["", "$PK"]
    theta = {name: f"THETA({i})" for i, name in enumerate(estimate, start=1)}
    for name, value, unit, text in leaves(system):
        lines.append(f"{ids[name]} = {theta.get(name, repr(value))} ; [{unit}] {text} ({name})")
    for d in system.derived:
        lines += pk.assign(ids[d.name], d.expr, "")
    timed = TIME in symbols_of([*system.flat_rates, *system.flat_outputs])
    if timed:
        lines += pk.assign("START", system.history_start if system.history_start is not None else ZERO, "")
    starts = [line for i, s in enumerate(system.states, 1) for line in pk.assign(f"A_0({i})", s.initial, "")]
    lines += ["IF (A_0FLG .EQ. 1) THEN", *(f"  {line}" for line in starts), "ENDIF"]
    for i, s in enumerate(system.states, start=1):
        if s.name in routes:
            r = routes[s.name]
            lines.append(f"; {r.name}: AMT in {r.unit}")
            share = r.bioavailability if r.scale == 1 else num(r.scale) * r.bioavailability
            lines += [] if share is ONE else pk.assign(f"F{i}", share, "")
            lines += [] if r.lag is ZERO else pk.assign(f"ALAG{i}", r.lag, "")
            lines += [] if r.duration is None else pk.assign(f"D{i}", r.duration, "")
            lines += [] if r.rate is None else pk.assign(f"R{i}", r.rate, "")
    lines += ["", "$DES"]
    lines += [f"{ids[TIME]} = T + START"] if timed else []
    for q in system.quantities:
        lines += des.assign(ids[q.name], q.expr, "")
    for i, rate in enumerate(system.rates, start=1):
        lines += des.assign(f"DADT({i})", rate, "")
    lines += ["", "$ERROR"]
    lines += [f"{ids['error time']} = TIME + START"] if timed else []
    for q in system.quantities:
        lines += error.assign(ids[f"error {q.name}"], q.expr, "")
    for o in system.outputs:
        lines.append(f"; {ids[f'output {o.name}']} [{o.unit}] {o.label} ({o.name})")
        lines += error.assign(ids[f"output {o.name}"], o.expr, "")
    first = ids[f"output {system.outputs[0].name}"] if system.outputs else "A(1)"
    lines += [f"IPRED = {first}", "Y = IPRED*(1.0 + EPS(1))", ""]
    for name in estimate:
        p = next(p for p in system.parameters if p.name == name)
        inner = f"({p.low!r}, {p.value!r}, {p.high!r})" if p.low is not None and p.high is not None else f"{p.value!r}"
        lines.append(f"$THETA {inner} ; {name} [{p.unit}]")
    lines += ["$SIGMA 0.01", "$ESTIMATION METHOD=1 INTERACTION MAXEVAL=0", "$TABLE ID TIME IPRED NOPRINT FILE=sdtab"]
    return "\n".join(part for line in lines for part in _folded(line.rstrip())) + "\n"


def _short(name: str) -> str:
    """Cut a name to what NONMEM takes, with room for a number that tells it from others."""
    name = name.removeprefix("output_").lstrip("_")
    name = f"E_{name.removeprefix('error_')}" if name.startswith("error_") else name
    return name[: _LENGTH - 4].rstrip("_") if name[:1].isalpha() else f"X{name}"[: _LENGTH - 4]


def _folded(line: str) -> list[str]:
    """Break a long line at blanks, with NONMEM's sign of continuation."""
    if line.lstrip().startswith(";") or len(line) <= _WIDTH:
        return [line]
    code, _, comment = line.partition(" ; ")
    out: list[str] = []
    while len(code) > _WIDTH:
        at = code.rfind(" ", 20, _WIDTH)
        if at < 0:
            break
        out.append(code[:at] + " &")
        code = "  " + code[at + 1 :]
    return [*out, code + (f" ; {comment}" if comment else "")]
