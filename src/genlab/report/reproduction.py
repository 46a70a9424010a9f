"""The commands that make the same page and images of the same models again."""

import shlex

from genlab.report.laboratory import Laboratory, ReportedModel


def commands(laboratory: Laboratory) -> list[str]:
    """Returns the commands: the whole pipeline, then images of each model."""
    params, revision = laboratory.params, laboratory.revision
    changes = [f"data.name={params.data.name}", f"profile={params.profile}", f"seed={params.seed}"]
    names = {change.partition("=")[0] for change in changes}
    changes += [text for text in revision.overrides if text.partition("=")[0] not in names]
    lines = [f"git checkout {revision.commit}"] if revision.commit and revision.is_clean else []
    lines.append("dvc exp run " + " ".join(f"-S {shlex.quote(change)}" for change in changes))
    for model in laboratory.models:
        lines.append(generate(model, params.seed))
        if model.encodes:
            name = shlex.quote(model.name)
            lines.append(f"genlab reconstruct {name} --split test --out {name}-reconstructions.npz")
    return lines


def generate(model: ReportedModel, seed: int) -> str:
    """Returns the command that makes images with a model, of what it is given."""
    name = shlex.quote(model.name)
    if "inputs" in model.given:
        return f"genlab translate {name} --inputs FOLDER --seed {seed} --out {name}-images.npz"
    source = f" --source {model.sources[0]}" if model.sources else ""
    labels = " --labels balanced" if "labels" in model.given else ""
    options = f"--num-images 64 --seed {seed}{source}{labels}"
    return f"genlab generate {name} {options} --out {name}-samples.npz"
