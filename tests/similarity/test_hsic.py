"""Debiased CKA of two matrices of features, against golden values and against formulas written out independently."""

import math

import numpy as np
import pytest
import torch
from cka_networks import Matrix, hsic_song

from prunescope.errors import PrunescopeError
from prunescope.similarity.hsic import Totals, centred_, linear_cka, rbf, rbf_cka, triangles, u_centred_


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
    k, m = u_centred_(torch.from_numpy(np.stack([x @ x.T, y @ y.T])))
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


def test_golden_values_of_gaussian_kernels(demo: tuple[Matrix, Matrix]) -> None:
    """From the same demo: RBF with a bandwidth of half the median distance, biased."""
    assert rbf_cka(*demo, 0.5, debiased=False) == pytest.approx(0.65483, abs=5e-6)
    x, y = demo
    assert rbf_cka(3 * x + 1, y, 0.5) == pytest.approx(rbf_cka(x, y, 0.5), abs=1e-12)
    assert rbf_cka(x, x, 0.5) == pytest.approx(1, abs=1e-12)
    assert math.isnan(rbf_cka(x, np.ones((100, 2)), 0.5))


@pytest.mark.parametrize("n", [5, 6])
def test_rbf_by_the_definition(n: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, 3))
    squares = np.array([[((a - b) ** 2).sum() for b in x] for a in x])
    wanted = np.exp(-squares / (2 * 0.8**2 * np.median(squares)))
    found = rbf(torch.from_numpy(np.stack([x @ x.T, 0 * x @ x.T])), 0.8)
    np.testing.assert_allclose(found[0], wanted, atol=1e-12)
    assert not found[1].any(), "samples that are all alike have no similarity"


@pytest.mark.parametrize("estimator", ["debiased", "biased"])
def test_vectors_multiply_to_hsic(estimator: str) -> None:
    random = np.random.default_rng(4)
    x, y = random.normal(size=(7, 5)) + 2, random.normal(size=(7, 3))
    h = np.eye(7) - 1 / 7
    wanted = hsic_song(x, y) if estimator == "debiased" else np.trace(h @ x @ x.T @ h @ y @ y.T) / 36
    vectors = triangles(torch.from_numpy(np.stack([x @ x.T, y @ y.T])), estimator)
    product = float(vectors[0] @ vectors[1])
    assert product * (2 / (7 * 4) if estimator == "debiased" else 1 / 36) == pytest.approx(wanted, rel=1e-9)
    centred = centred_(torch.from_numpy(x @ x.T).clone())
    torch.testing.assert_close(centred, torch.from_numpy(h @ x @ x.T @ h), atol=1e-12, rtol=0)


def test_standard_errors_are_those_of_a_ratio_of_means() -> None:
    """Against the linearised ratio written out batch by batch, and against what repeated draws show."""
    generator = torch.Generator().manual_seed(6)
    shared = torch.randn(12, 40, 3, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, 12, 40, 5, generator=generator, dtype=torch.float64)
    kernels = [torch.stack([x @ x.T for x in (s, torch.cat([s, a], 1), b)]) for s, a, b in zip(shared, *noise, strict=True)]
    totals = Totals("debiased")
    for grams in kernels:
        totals.add(triangles(grams.clone(), "debiased"), 40)
    values, errors = totals.similarity()
    products = np.array([(v @ v.T).numpy() for v in (triangles(grams.clone(), "debiased") for grams in kernels)])
    own = products.sum(0).diagonal()
    parts = products / np.sqrt(np.outer(own, own))
    diagonals = np.einsum("bii->bi", products) / own
    parts = parts - values / 2 * (diagonals[:, :, None] + diagonals[:, None, :])
    np.testing.assert_allclose(errors, np.sqrt((parts**2).sum(0) * 12 / 11), atol=1e-7)
    assert np.abs(errors.diagonal()).max() < 1e-6, "a layer is always like itself"
    single = Totals("debiased")
    single.add(triangles(kernels[0].clone(), "debiased"), 40)
    assert np.isnan(single.similarity()[1]).all()


@pytest.mark.parametrize(("estimator", "weight"), [("debiased", math.comb), ("biased", lambda n, _: n)])
def test_batches_weigh_as_their_pairs_or_samples(estimator: str, weight) -> None:
    random = np.random.default_rng(8)
    batches = [(random.normal(size=(n, 6)), random.normal(size=(n, 4))) for n in (12, 30)]
    totals, wanted = Totals(estimator), np.zeros((2, 2))
    for x, y in batches:
        n = len(x)
        h = np.eye(n) - 1 / n
        totals.add(triangles(torch.from_numpy(np.stack([x @ x.T, y @ y.T])), estimator), n)
        biased = lambda a, b: np.trace(h @ a @ a.T @ h @ b @ b.T) / (n - 1) ** 2  # noqa: B023, E731
        hsic = hsic_song if estimator == "debiased" else biased
        wanted += weight(n, 2) * np.array([[hsic(a, b) for b in (x, y)] for a in (x, y)])
    wanted /= np.sqrt(np.outer(wanted.diagonal(), wanted.diagonal()))
    np.testing.assert_allclose(totals.similarity()[0], wanted, atol=1e-9)
    assert (totals.samples, totals.batches) == (42, 2)
