"""A study that several tests of evidence look at."""

import pytest

from prunescope.results.results import Results
from report_fakes import make_study, opened, plant, plant_predictions


@pytest.fixture
def results(tmp_path) -> Results:
    """One model, three seeds, two levels, predictions in two classes of which b is critical."""
    study = make_study(models=("vgg16",), seeds=(0, 1, 2), sparsities=(0.8, 0.5), critical=("b",))
    plant(tmp_path / "metrics", study)
    plant_predictions(tmp_path / "metrics", study)
    return opened(tmp_path / "metrics", study)
