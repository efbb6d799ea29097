"""What ships: the wheel holds the models and the evidence, and works away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel's content as pip would lay it out, away from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, str(folder)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wheel = folder / done.stdout.split()[-1]
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(site, cwd, *words):
    environment = {**os.environ, "PYTHONPATH": str(site), "BONEPK_CACHE_DIR": str(cwd / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "bonepk.cli", *words], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_wheel_holds_models_evidence_and_type_marker(installed):
    package = installed / "bonepk"
    assert (package / "py.typed").is_file()
    for folder in ("models", "validation"):
        shipped = {p.relative_to(package / "_data" / folder) for p in (package / "_data" / folder).rglob("*.toml")}
        there = {p.relative_to(ROOT / folder) for p in (ROOT / folder).rglob("*.toml")}
        assert shipped == there


def test_the_wheel_is_what_runs(installed, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import bonepk; print(bonepk.__file__)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(installed)


@pytest.mark.parametrize("trial", ["zo-fast", "abcsg-18", "z-fast"])
def test_trial_runs_away_from_the_checkout(installed, tmp_path, trial):
    done = run(installed, tmp_path, "trial", trial)
    assert done.returncode == 0, done.stderr
    assert "observed" in done.stdout.lower()
    assert "predicted" in done.stdout.lower()
    figure = tmp_path / f"{trial}.png"
    assert figure.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trial", "abcsg-81"], "did you mean 'abcsg-18'?"),
        (["model", "show", "aibbl"], "did you mean 'aibl'?"),
        (["model", "show", "aibl", "--with", "denosumap"], "did you mean 'denosumab'?"),
        (["trial", "missing/file.toml"], "missing/file.toml"),
    ],
)
def test_bad_input_is_a_message_and_writes_nothing(installed, tmp_path, words, expected):
    before = {p for p in tmp_path.rglob("*") if "cache" not in p.parts}
    done = run(installed, tmp_path, *words)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert {p for p in tmp_path.rglob("*") if "cache" not in p.parts} == before
