"""Gram matrices to similarity: kernels, centring, and CKA of features that are at hand as a whole.

HSIC of two layers is an inner product of their centred Gram matrices K (n, n) over the same n samples:

- debiased, HSIC_1: U-centred, over n (n - 3) (Song et al. 2012; in this form Székely & Rizzo 2014, arXiv:1310.2926);
- biased, HSIC_0: centred by rows and columns, over (n - 1)^2 (Gretton et al. 2005; Kornblith et al. 2019, arXiv:1905.00414).
"""

import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from prunescope.errors import PrunescopeError
from prunescope.similarity.features import gram

STRIP = 128  # rows of a product at a time
LEAST = {"debiased": 4, "biased": 2}  # samples that an estimator needs


def u_centred_(grams: Tensor) -> Tensor:
    """U-centre Gram matrices (..., n, n), n >= 3, in place: rows, columns and diagonal sum to zero, the diagonal is zero."""
    n = grams.shape[-1]
    diagonals = grams.diagonal(dim1=-2, dim2=-1)
    diagonals.zero_()
    means = grams.sum(-1) / (n - 2)
    means -= means.sum(-1, keepdim=True) / (2 * (n - 1))
    grams -= means.unsqueeze(-1)
    grams -= means.unsqueeze(-2)
    diagonals.zero_()
    return grams


def centred_(grams: Tensor) -> Tensor:
    """Centre Gram matrices (..., n, n) by rows and columns, in place: H K H with H = 1 - 1/n."""
    means = grams.mean(-1)
    means -= means.mean(-1, keepdim=True) / 2
    grams -= means.unsqueeze(-1)
    grams -= means.unsqueeze(-2)
    return grams


def rbf(grams: Tensor, bandwidth: float) -> Tensor:
    """Gaussian kernels (..., n, n) from linear ones: exp(-d^2 / (2 bandwidth^2 median(d^2))) of the distances d.

    The median is over all n^2 pairs, each sample with itself included, as in Kornblith et al. 2019's own code; the linear
    kernels may be centred or not. Samples that are all alike give zeros.
    """
    norms = grams.diagonal(dim1=-2, dim2=-1)
    squares = (norms.unsqueeze(-1) + norms.unsqueeze(-2) - 2 * grams).clamp_(min=0)
    ordered = squares.flatten(-2).sort(-1).values
    half = ordered.shape[-1] // 2
    median = ordered[..., half] if ordered.shape[-1] % 2 else (ordered[..., half - 1] + ordered[..., half]) / 2
    median = torch.where(median > 0, median, torch.ones_like(median))
    varied = ordered[..., -1] > 0
    return torch.exp(squares / (-2 * bandwidth**2 * median[..., None, None])) * varied[..., None, None]


def triangles(grams: Tensor, estimator: str) -> Tensor:
    """Centre Gram matrices (L, n, n), in place, and write each as a vector (L, P) such that HSIC is a product of two vectors.

    Debiased: times 2 / (n (n - 3)); P = n (n - 1) / 2, the cells above the diagonal. Biased: times 1 / (n - 1)^2; the cells
    above it by sqrt(2), and those on it.
    """
    rows, columns = torch.triu_indices(*grams.shape[-2:], offset=1, device=grams.device)
    place = rows * grams.shape[-1] + columns
    if estimator == "debiased":
        return u_centred_(grams).flatten(1).index_select(1, place)
    above = centred_(grams).flatten(1).index_select(1, place)
    return torch.cat([math.sqrt(2) * above, grams.diagonal(dim1=-2, dim2=-1)], 1)


def _symmetric(vectors: Tensor) -> Tensor:
    """vectors @ vectors.T for (T, P), its upper half in strips: numpy does that too, but its threads disturb those of torch."""
    products = vectors.new_zeros(len(vectors), len(vectors))
    with torch.autocast(vectors.device.type, enabled=False):
        for first in range(0, len(vectors), STRIP):
            products[first : first + STRIP, first:] = vectors[first : first + STRIP] @ vectors[first:].T
    return products.triu_().add_(products.triu(1).T)


class Totals:
    """Sums over batches, from which CKA of all pairs of layers and its standard error come in the end.

    A batch weighs as its pairs of samples (debiased) or as its samples (biased).
    """

    def __init__(self, estimator: str):
        self.estimator = estimator
        self.samples = self.batches = 0
        self.sums: list[Tensor] = []

    def add(self, vectors: Tensor, n: int) -> None:
        """Take in the `triangles` (T, P) of a batch of n samples."""
        weight = (n - 1) / (n - 3) if self.estimator == "debiased" else n / (n - 1) ** 2
        products = _symmetric(vectors).double().mul_(weight).cpu()
        own = products.diagonal().clone()
        if not self.sums:
            self.sums = [torch.zeros_like(products) for _ in range(4)]
        total, squares, with_own, of_owns = self.sums
        total += products
        squares.addcmul_(products, products)
        with_own.addcmul_(products, own.unsqueeze(1))
        of_owns.addr_(own, own)
        self.samples, self.batches = self.samples + n, self.batches + 1

    def similarity(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return CKA (T, T) and its standard errors, NaN for layers without variance; errors are NaN for one batch.

        The error is that of a ratio of means over batches, to first order: with h the HSICs of a batch and H their sums,
        the batch contributes e = h_ij / sqrt(H_ii H_jj) - CKA_ij / 2 (h_ii / H_ii + h_jj / H_jj), and the variance is
        B / (B - 1) sum(e^2) over B batches (Cochran 1977, eq. 6.4, for a ratio with a root).
        """
        total, squares, with_own, of_owns = (part.numpy() for part in self.sums)
        own = np.where(np.isfinite(total.diagonal()) & (total.diagonal() > 0), total.diagonal(), np.nan)
        norms = np.sqrt(np.outer(own, own))
        values = total / norms
        scaled = with_own / own[:, None]
        ratio = of_owns.diagonal() / own**2
        variances = squares / norms**2 + values**2 / 4 * (ratio[:, None] + ratio + 2 * of_owns / norms**2)
        variances -= values / norms * (scaled + scaled.T)
        batches = self.batches
        errors = np.sqrt(np.maximum(variances, 0) * batches / (batches - 1)) if batches > 1 else np.full_like(values, np.nan)
        return values, errors


def linear_cka(x: ArrayLike | Tensor, y: ArrayLike | Tensor, debiased: bool = True) -> float:
    """Linear CKA of features x (n, p) and y (n, q) of the same n samples at once, in float64; NaN if one is constant.

    Debiased (n >= 4; about 0 for unrelated features, may be negative), or biased as in Kornblith et al. 2019, which nears
    1 as p / n grows, whatever the features are. PrunescopeError for other shapes.
    """
    return kernel_cka(*_grams(x, y, 4 if debiased else 2), debiased=debiased)


def rbf_cka(x: ArrayLike | Tensor, y: ArrayLike | Tensor, bandwidth: float, debiased: bool = True) -> float:
    """The same with Gaussian kernels; `bandwidth` is a fraction of the median distance (see `rbf`)."""
    k, m = _grams(x, y, 4 if debiased else 2)
    return kernel_cka(rbf(k, bandwidth), rbf(m, bandwidth), debiased=debiased)


def kernel_cka(k: Tensor, m: Tensor, *, debiased: bool = True) -> float:
    """CKA of two Gram matrices (n, n); NaN if one is constant."""
    vectors = triangles(torch.stack([k, m]), "debiased" if debiased else "biased")
    product, first, second = (float(vectors[a] @ vectors[b]) for a, b in ((0, 1), (0, 0), (1, 1)))
    return product / math.sqrt(first * second) if first > 0 and second > 0 else float("nan")


def _grams(x: ArrayLike | Tensor, y: ArrayLike | Tensor, least: int) -> tuple[Tensor, Tensor]:
    first, second = (torch.as_tensor(value, dtype=torch.float64) for value in (x, y))
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or len(first) < least:
        raise PrunescopeError(
            f"found features of shapes {tuple(first.shape)} and {tuple(second.shape)}; wanted (n, p) and (n, q), the "
            f"same n >= {least}: flatten with x.reshape(len(x), -1)"
        )
    return gram(first), gram(second)
