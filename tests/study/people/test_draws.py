import numpy as np
import pytest

from bonepk.study.people import key_of
from bonepk.study.people.draws import normals, uniforms

KEY = key_of(1)


@pytest.mark.parametrize("width", [1, 3, 4])
def test_a_person_has_the_same_numbers_in_any_piece(width):
    whole = uniforms(KEY, "age", 0, 103, width)
    pieces = [uniforms(KEY, "age", a, min(17, 103 - a), width) for a in range(0, 103, 17)]
    assert np.array_equal(whole, np.concatenate(pieces))


def test_streams_and_seeds_differ():
    one = uniforms(KEY, "age", 0, 50)
    assert not np.intersect1d(one, uniforms(KEY, "bmi", 0, 50)).size
    assert not np.intersect1d(one, uniforms(key_of(2), "age", 0, 50)).size


def test_numbers_are_even_and_independent():
    u = uniforms(KEY, "age", 0, 40_000, 2)
    assert 0 < u.min() < u.max() < 1
    counts = np.histogram(u[:, 0], bins=20, range=(0, 1))[0]
    chi2 = ((counts - 2000) ** 2 / 2000).sum()
    assert chi2 < 43.8  # 99.9 % of chi-squared with 19 degrees of freedom
    z = normals(KEY, "bmi", 0, 40_000)[:, 0]
    assert abs(z.mean()) < 4 / 200  # four standard errors
    assert abs(z.var() - 1) < 4 * np.sqrt(2) / 200
    assert abs(np.corrcoef(u.T)[0, 1]) < 4 / 200


def test_a_generator_moves_on_and_a_seed_does_not():
    rng = np.random.default_rng(3)
    assert key_of(rng) != key_of(rng)
    assert key_of(5) == key_of(5)
    with pytest.raises(ValueError, match="non-negative"):
        key_of(-1)
