from dataclasses import replace

import pytest

from bonepk.study.people import load_population

CONDUCT = """
[population]
title = "{name}"
description = "test"
based_on = "{name}"

[conduct]
trial = "{name}"
people = {people}
months = {months}
visits = {visits}
"""


@pytest.fixture
def plain(tmp_path):
    """Write a trial in which everyone stays and takes everything; returns its path."""

    def write(name, people=40, months=24, visits=(6, 12, 24), more=""):
        path = tmp_path / f"{name}-plain.toml"
        path.write_text(CONDUCT.format(name=name, people=people, months=months, visits=list(visits)) + more)
        return path

    return write


@pytest.fixture
def exact():
    """Write a population in which all have the model's own values and scans show the truth."""

    def make(name):
        return replace(load_population(name), effects={}, precision={}, visit_noise={}, targets=())

    return make
