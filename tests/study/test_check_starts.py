"""network.init: random, imagenet or a file in weights/; what names none, or cannot fit, is refused before anything runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_params import changed

from prunescope.errors import PrunescopeError
from prunescope.study.params import Params, load
from prunescope.study.weights import require_files

ONE = {"study__models": ["vgg16_bn"]}


def loaded(folder: Path, **changes) -> Params:
    (folder / "params.yaml").write_text(json.dumps(changed(**changes)), encoding="utf-8")
    return load(folder / "params.yaml")


@pytest.mark.parametrize(("changes", "message"), [
    ({"init": "imagenet"}, "found imagenet, wanted random: published weights have width 1 (found data.digits.network"),
    ({"init": "/x/y.pth"}, "found '/x/y.pth', wanted random, imagenet, or the name of a file in weights/: copy or link it there"),
    ({"init": "../y.pth"}, "found '../y.pth', wanted random, imagenet"),
    ({"init": "C:\\x\\y.pth"}, "found 'C:\\\\x\\\\y.pth', wanted random, imagenet"),
    ({"init": "weights/y.pth"}, "and write 'y.pth'"),
    ({"init": "imagnet"}, "found 'imagnet', wanted random, imagenet, or the name of a file in weights/ (x.pth, say)"),
    ({"init": ""}, "found '', wanted random, imagenet"),
])  # fmt: skip
def test_what_names_no_start_is_refused_by_every_stage(tmp_path, changes, message) -> None:
    with pytest.raises(PrunescopeError) as error:
        loaded(tmp_path, **ONE, **{f"data__digits__network__{key}": value for key, value in changes.items()})
    assert "has 1 problem(s), nothing was run:\n  data.digits.network.init: found" in str(error.value)
    assert message in str(error.value)


def test_each_of_several_models_has_its_own_file(tmp_path) -> None:
    one = loaded(tmp_path, **ONE, data__digits__network__init="y.pth")
    two = loaded(tmp_path, data__digits__network__init="y.pth")
    assert one.data["digits"].network.init == "y.pth" and len(two.study.models) == 2
    for name in ("y.pth", "vgg16_bn/y.pth"):
        (tmp_path / "weights" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "weights" / name).touch()
    require_files(one, tmp_path)
    own = tmp_path / "weights" / "densenet169" / "y.pth"
    with pytest.raises(PrunescopeError, match=rf"found 'y\.pth', but no {own}; wanted .* \(there now: vgg16_bn/y\.pth, y\.pth\)"):
        require_files(two, tmp_path)
    own.parent.mkdir()
    own.touch()
    require_files(two, tmp_path)
    (tmp_path / "weights" / "y.pth").unlink()
    require_files(one, tmp_path)


def test_rows_that_the_study_does_not_run_are_free(tmp_path) -> None:
    assert loaded(tmp_path, data__own__network__init="/of/no/interest")
    whole = loaded(tmp_path, data__digits__network__init="imagenet", data__digits__network__width=1.0, distill__teachers=[])
    require_files(whole, tmp_path)


def test_a_file_that_is_not_there_is_said_before_anything_runs(tmp_path) -> None:
    """By `prunescope check`; the stages after `weights` do without the file, so params.yaml loads without it."""
    params = loaded(tmp_path, **ONE, data__digits__network__init="y.pth")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "other.pth").touch()
    with pytest.raises(PrunescopeError) as error:
        require_files(params, tmp_path)
    assert str(error.value).startswith(
        f"data.digits.network.init: found 'y.pth', but no {tmp_path / 'weights' / 'y.pth'}; wanted"
    )
    assert "(there now: other.pth)" in str(error.value)
    command = [sys.executable, "-m", "prunescope", "check", str(tmp_path / "params.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"error: {error.value}\n")
    (tmp_path / "weights" / "y.pth").symlink_to(tmp_path / "weights" / "other.pth")
    require_files(params, tmp_path)
    assert subprocess.run(command, capture_output=True, text=True, check=False).returncode == 0
