"""Files of other stages that are missing, damaged, or of another training give one clear line."""

from pathlib import Path

import pytest
from report_workspace import render

from genlab.runtime.errors import InputError

SCORES, CURVES, MISSING = "scores/gan/scores.json", "models/vae/history.csv", "no such file"
TRAIN, EVALUATE = "dvc repro train@vae", "dvc repro evaluate@gan"
CURVE = "rate_distortion/rate_distortion.csv"


@pytest.mark.parametrize(
    ("path", "text", "received", "command"),
    [
        ("models/vae/settings.json", None, MISSING, TRAIN),
        (CURVES, None, MISSING, TRAIN),
        (CURVES, "step,train/loss\n1,high\n", "could not convert string to float: 'high'", TRAIN),
        (CURVES, "", "list index out of range", TRAIN),
        (SCORES, None, MISSING, EVALUATE),
        (SCORES, "{", "Expecting property name", EVALUATE),
        (SCORES, "[1]", "no metrics", EVALUATE),
        (SCORES, '{"metrics": {"a/b/c": {}}}', "interval", EVALUATE),
        (SCORES, '{"metrics": {}, "train_key": "old"}', "train_key=old", EVALUATE),
        ("evaluation/gan/pictures.npz", None, MISSING, EVALUATE),
        ("evaluation/gan/traversals.npz", "not numpy", "", EVALUATE),
        ("features/strided/settings.json", None, MISSING, "dvc repro features"),
        ("images/dataset.json", None, MISSING, "dvc repro fetch"),
        ("validation.json", None, MISSING, "dvc repro validate"),
        (CURVE, "kl_weight\nhigh\n", "'high'", "genlab rate-distortion vae"),
    ],
)
def test_bad_file_gives_one_line(
    laboratory: Path, path: str, text: str | None, received: str, command: str
) -> None:
    (laboratory / path).unlink()
    if text is not None:
        (laboratory / path).write_text(text)
    with pytest.raises(InputError) as error:
        render(laboratory)
    assert received in error.value.received
    assert error.value.where == f"Run: {command}"
    assert "\n" not in str(error.value)
    assert not (laboratory / "index.html").exists()
