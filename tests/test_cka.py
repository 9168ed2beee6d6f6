"""Debiased CKA of two matrices of features, against golden values and against formulas written out independently."""

import math
import warnings

import numpy as np
import pytest
import torch

from cka_networks import Matrix, hsic_song
from prunescope.cka import diagonal, linear_cka, off_diagonal_mean, u_centred
from prunescope.errors import PrunescopeError


def debiased_feature_space(x: Matrix, y: Matrix) -> float:
    """Debiased linear CKA by Kornblith et al.'s demo (feature_space_linear_cka): p x q products, no Gram matrix."""
    x, y, n = x - x.mean(0), y - y.mean(0), len(x)

    def corrected(a: Matrix, b: Matrix) -> float:
        rows_a, rows_b = (a**2).sum(1), (b**2).sum(1)
        total = rows_a.sum() * rows_b.sum()
        return ((a.T @ b) ** 2).sum() - n / (n - 2) * (rows_a @ rows_b) + total / ((n - 1) * (n - 2))

    return float(corrected(x, y) / np.sqrt(corrected(x, x) * corrected(y, y)))


@pytest.fixture
def demo() -> tuple[Matrix, Matrix]:
    random = np.random.RandomState(1337)  # the generator behind the golden values
    x = random.randn(100, 10)
    return x, random.randn(100, 10) + x


def test_golden_values(demo: tuple[Matrix, Matrix]) -> None:
    """From the demo of google-research/representation_similarity."""
    assert linear_cka(*demo, debiased=False) == pytest.approx(0.55761, abs=5e-6)
    assert linear_cka(*demo) == pytest.approx(0.51346, abs=5e-6)
    x, y = demo
    assert linear_cka(torch.from_numpy(x), y.tolist()) == linear_cka(x, y)


def test_gram_form_is_the_feature_space_form(demo: tuple[Matrix, Matrix]) -> None:
    x, y = demo
    wide = np.random.default_rng(0).normal(size=(100, 300)) + x @ np.ones((10, 300)) + 7
    for other in (y, wide):
        assert linear_cka(x, other) == pytest.approx(debiased_feature_space(x, other), abs=1e-12)
        a, b = x - x.mean(0), other - other.mean(0)
        norms = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
        assert linear_cka(x, other, debiased=False) == pytest.approx(np.linalg.norm(a.T @ b) ** 2 / norms, abs=1e-12)


@pytest.mark.parametrize("n", [4, 5, 30])
def test_u_centred_product_is_songs_hsic(n: int) -> None:
    random = np.random.default_rng(n)
    x, y = random.normal(size=(n, 7)) + 3, random.normal(size=(n, 4))
    k, m = u_centred(torch.from_numpy(np.stack([x @ x.T, y @ y.T])))
    assert float((k * m).sum()) / (n * (n - 3)) == pytest.approx(hsic_song(x, y), rel=1e-9, abs=1e-12)
    for matrix in (k, m):
        torch.testing.assert_close(matrix.sum(0), torch.zeros(n, dtype=torch.float64), atol=1e-10, rtol=0)
        assert not matrix.diagonal().any()


@pytest.mark.parametrize("debiased", [True, False])
def test_invariances(demo: tuple[Matrix, Matrix], debiased: bool) -> None:
    x, y = demo
    random = np.random.default_rng(1)
    value = linear_cka(x, y, debiased)
    rotation = np.linalg.qr(random.normal(size=(10, 10)))[0]
    order = random.permutation(100)
    assert linear_cka(x, x, debiased) == pytest.approx(1, abs=1e-12)
    assert linear_cka(y, x, debiased) == pytest.approx(value, abs=1e-12)
    assert linear_cka(x @ rotation, y, debiased) == pytest.approx(value, abs=1e-12)
    assert linear_cka(-3e3 * x + 5, y, debiased) == pytest.approx(value, abs=1e-9)
    assert linear_cka(x[order], y[order], debiased) == pytest.approx(value, abs=1e-12)
    assert abs(linear_cka(x @ np.diag(np.arange(1, 11)), y, debiased) - value) > 0.02, "not for any linear map"
    assert linear_cka(x[order], y, debiased) < 0.2, "rows must correspond"


def test_unrelated_features_are_about_zero_and_not_clamped() -> None:
    random = np.random.default_rng(2)
    draws = [(random.normal(size=(40, 400)), random.normal(size=(40, 400))) for _ in range(40)]
    values = np.array([linear_cka(x, y) for x, y in draws])
    assert abs(values.mean()) < 0.02
    assert values.min() < -0.01
    assert min(linear_cka(x, y, debiased=False) for x, y in draws) > 0.85, "the bias that debiasing removes"


def test_linear_cka_refuses_wrong_shapes_and_gives_nan_for_constants() -> None:
    x = np.random.default_rng(3).normal(size=(4, 2))
    assert math.isnan(linear_cka(x, np.full((4, 3), 0.1)))
    for a, b in ((x[:3], x[:3]), (x, x[:, 0]), (x, np.ones((5, 2)))):
        with pytest.raises(PrunescopeError, match="wanted"):
            linear_cka(a, b)


def test_summaries() -> None:
    matrix = np.array([[1.0, 0.2, np.nan], [0.4, 1.0, np.nan], [np.nan, np.nan, np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert off_diagonal_mean(matrix) == pytest.approx(0.3)
        assert math.isnan(off_diagonal_mean(np.ones((1, 1))))
    np.testing.assert_array_equal(diagonal(matrix), [1, 1, np.nan])
    for summary in (off_diagonal_mean, diagonal):
        with pytest.raises(PrunescopeError, match=r"\(2, 3\)"):
            summary(np.ones((2, 3)))
