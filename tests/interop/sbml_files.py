"""SBML files for the tests, put together with libSBML from formulas in its own infix notation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import libsbml


def math(text: str) -> Any:
    node = libsbml.parseL3Formula(text)
    assert node is not None, libsbml.getLastParseL3Error()
    return node


def build(
    level: int = 3,
    version: int = 2,
    *,
    compartments: Mapping[str, Any] | None = None,
    species: Mapping[str, Mapping[str, Any]] | None = None,
    parameters: Mapping[str, Any] | None = None,
    functions: Mapping[str, str] | None = None,
    assign: Mapping[str, str] | None = None,
    rate: Mapping[str, str] | None = None,
    initial: Mapping[str, str] | None = None,
    reactions: Sequence[Mapping[str, Any]] = (),
    events: Sequence[Mapping[str, Any]] = (),
    factor: str = "",
) -> str:
    """A file. A parameter or compartment is a number, None (no value), or settings such as
    ``{"value": 1, "constant": False}``; what rules and events set is made non-constant.
    """
    document = libsbml.SBMLDocument(level, version)
    model = document.createModel()
    model.setId("made")
    moved = {*(assign or {}), *(rate or {}), *(v for e in events for v in e["set"])}
    for name, text in (functions or {}).items():
        f = model.createFunctionDefinition()
        f.setId(name)
        f.setMath(math(text))
    for name, given in (compartments or {}).items():
        c = model.createCompartment()
        settings = given if isinstance(given, Mapping) else {"size": given}
        c.setId(name)
        c.setSpatialDimensions(settings.get("dimensions", 3))
        if settings.get("size") is not None:
            c.setSize(settings["size"])
        c.setConstant(name not in moved)
    for name, settings in (species or {}).items():
        s = model.createSpecies()
        s.setId(name)
        s.setCompartment(settings.get("compartment", next(iter(compartments or {}), "")))
        s.setHasOnlySubstanceUnits(settings.get("amounts", False))
        s.setBoundaryCondition(settings.get("boundary", False))
        s.setConstant(settings.get("constant", False))
        if "amount" in settings:
            s.setInitialAmount(settings["amount"])
        if "concentration" in settings:
            s.setInitialConcentration(settings["concentration"])
        if "factor" in settings:
            s.setConversionFactor(settings["factor"])
    for name, given in (parameters or {}).items():
        p = model.createParameter()
        settings = given if isinstance(given, Mapping) else {"value": given}
        p.setId(name)
        if settings.get("value") is not None:
            p.setValue(settings["value"])
        if "name" in settings:
            p.setName(settings["name"])
        p.setConstant(settings.get("constant", name not in moved))
    for name, text in (initial or {}).items():
        item = model.createInitialAssignment()
        item.setSymbol(name)
        item.setMath(math(text))
    for kind, rules in (("Assignment", assign), ("Rate", rate)):
        for name, text in (rules or {}).items():
            rule = getattr(model, f"create{kind}Rule")()
            rule.setVariable(name)
            rule.setMath(math(text))
    for settings in reactions:
        r = model.createReaction()
        r.setId(settings["id"])
        r.setReversible(False)
        if level < 3 or version < 2:
            r.setFast(settings.get("fast", False))
        for end, key in (("Reactant", "from"), ("Product", "to")):
            for name, amount in settings.get(key, {}).items():
                reference = getattr(r, f"create{end}")()
                reference.setSpecies(name)
                if isinstance(amount, str):
                    if level < 3:
                        reference.createStoichiometryMath().setMath(math(amount))
                    else:
                        reference.setId(amount)
                        reference.setConstant(amount not in moved)
                        if amount in settings.get("stoichiometry", {}):
                            reference.setStoichiometry(settings["stoichiometry"][amount])
                else:
                    reference.setStoichiometry(amount)
                    if level > 2:
                        reference.setConstant(True)
        for name in settings.get("modifiers", ()):
            r.createModifier().setSpecies(name)
        law = r.createKineticLaw()
        law.setMath(math(settings["rate"]))
        for name, value in settings.get("local", {}).items():
            p = law.createLocalParameter() if level > 2 else law.createParameter()
            p.setId(name)
            p.setValue(value)
    for i, settings in enumerate(events):
        e = model.createEvent()
        e.setId(settings.get("id", f"e{i + 1}"))
        e.setUseValuesFromTriggerTime(settings.get("at_trigger", True))
        trigger = e.createTrigger()
        trigger.setMath(math(settings["when"]))
        if level > 2:
            trigger.setInitialValue(settings.get("starts", True))
            trigger.setPersistent(settings.get("persistent", True))
        if "delay" in settings:
            e.createDelay().setMath(math(settings["delay"]))
        for name, text in settings["set"].items():
            item = e.createEventAssignment()
            item.setVariable(name)
            item.setMath(math(text))
    if factor:
        model.setConversionFactor(factor)
    return str(libsbml.writeSBMLToString(document))
