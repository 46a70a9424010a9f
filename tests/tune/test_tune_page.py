"""The study's page: says what the trials say, needs nothing from outside, and is whole where a study is poor."""

import dataclasses
import html
import json
import re
import threading
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from genlab.imaging import arrays
from genlab.measurement.evidence import Measure
from genlab.runtime.errors import InputError
from genlab.runtime.native_output import import_tensorflow
from genlab.settings.params import Params, Tune

import_tensorflow()

from genlab.tune import drawing, loop, page, process, study, trial  # noqa: E402
from genlab.tune.confirm import Confirmation, confirm, pictures  # noqa: E402
from genlab.tune.objective import Objective, Term  # noqa: E402
from genlab.tune.plan import Plan  # noqa: E402
from genlab.tune.process import Outcome  # noqa: E402
from genlab.tune.space import Space  # noqa: E402

LEARNING_RATE = {"learning_rate": FloatDistribution(1e-4, 1e-2, log=True)}
RANGES = {
    **LEARNING_RATE,
    "kl_weight": FloatDistribution(0.1, 10.0, log=True),
    "depth": IntDistribution(1, 4),
}
CHOICES = {
    "loss": CategoricalDistribution(["l1", "l2", "</script><b>bold</b>"]),
    "widths": CategoricalDistribution(["[500, 500]", "[256]"]),
    "clip": CategoricalDistribution([None, 1.0]),
}
PRESENT = {
    "learning_rate": 1e-3,
    "kl_weight": 1.0,
    "depth": 2,
    "loss": "l2",
    "widths": "[256]",
    "clip": None,
}
WORST = "<script>alert('&')</script> was not finite"


def objective(metric: str, direction: str = "lower", source: str = "prior") -> Objective:
    measure = Measure("", direction, "")  # type: ignore[arg-type]
    address = metric if metric == "train_seconds" else f"{{split}}/{source}/{metric}"
    return Objective((Term(metric, address, 1.0, measure, False),))


DISTANCE, PSNR, SECONDS = (
    objective("frechet_distance"),
    objective("psnr", "higher", "reconstruction"),
    objective("train_seconds"),
)


def make_plan(
    params: Params, distributions: dict[str, BaseDistribution], objectives: list[Objective]
) -> Plan:
    search = params.search.model_copy(
        update={"sampler": "random", "startup_trials": 1, "num_seeds": 3, "workers": 1}
    )
    entry = {"kind": "vae", "steps": 12000, **{name: PRESENT[name] for name in distributions}}
    params = params.model_copy(update={"models": {"vae": entry}, "search": search, "seed": 7})
    named = {
        name: {
            value: json.loads(value) if str(value).startswith("[") else value
            for value in each.choices
        }
        for name, each in distributions.items()
        if isinstance(each, CategoricalDistribution)
    }
    tune = Tune(
        steps=3000,
        objective="frechet_distance",
        prune_by="frechet_distance",
        space={"learning_rate": {}},
    )
    space = Space(
        distributions, named, {name: PRESENT[name] for name in distributions}, "params.yaml"
    )
    identity = {"data": "ab" * 32, "features": "cd" * 32, "seed": 7}
    return Plan(
        params,
        "vae",
        "vae-digits",
        Path("images"),
        Path("features"),
        tune,
        space,
        objectives,
        "vae",
        identity,
    )


class Trials:
    """A study in memory whose trials end as they are told to."""

    def __init__(self, plan: Plan):
        made = optuna.create_study(
            storage=optuna.storages.InMemoryStorage(),
            directions=[each.direction for each in plan.objectives],
            pruner=optuna.pruners.NopPruner(),
        )
        self.plan = plan
        self.study = study.Study(made, made._storage, plan.space, plan.params.search, 7)
        self.study.fill_queue()

    def add(
        self,
        *values: float,
        state: TrialState = TrialState.COMPLETE,
        reports: int = 3,
        reason: str = "",
    ) -> None:
        asked = self.study.ask(1000)
        assert asked is not None
        facts: dict[str, Any] = {
            loop.SETTINGS: self.plan.space.settings(asked.params),
            loop.SECONDS: 12.34,
        }
        for step in (
            range(1, reports + 1) if len(values) < 2 else ()
        ):  # Optuna takes none with several objectives
            asked.report(200.0 / step + asked.number, step * 100)
        facts |= {study.REASON: reason} if reason else {}
        self.study.tell(asked, state, list(values) or None, facts)


@dataclasses.dataclass
class Measured:
    """What a training in full of three seeds gives: Fréchet distances and PSNR of present settings and of others."""

    present: tuple[float, float, float] = (40.0, 42.0, 44.0)
    others: tuple[float, float, float] = (30.0, 31.0, 32.0)
    others_on_test: tuple[float, float, float] = (30.0, 31.0, 32.0)
    others_psnr: float = 20.0
    runs: int = 0
    fails: str = "no training"

    def run(self, order: trial.Order, report: Any, limit: Any, stop: threading.Event) -> Outcome:
        entry, index = order.params.models["vae"], order.params.seed - 7
        is_present = all(entry[name] == PRESENT[name] for name in RANGES if name in entry)
        self.runs += 1
        if order.run_name.startswith(self.fails):
            return Outcome("failed", None, WORST)
        assert order.pictures is not None
        for name in trial.PICTURES:
            shade = 10 * index + (100 if is_present else 0) + len(name)
            arrays.write_png(order.pictures / f"{name}.png", np.full((35, 35, 1), shade, np.uint8))
        values = {"train_seconds": 5.0 + index}
        for split in order.splits:
            others = self.others_on_test if split == "test" else self.others
            values[f"{split}/prior/frechet_distance"] = (self.present if is_present else others)[
                index
            ]
            values[f"{split}/reconstruction/psnr"] = (
                20.0 if is_present else self.others_psnr
            ) + 0.1 * index
            values[f"{split}/pca/psnr"] = 15.0 if is_present else 12.0
        return Outcome("done", values, train_key="key")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> Measured:
    found = Measured()
    monkeypatch.setattr(process, "run", found.run)
    return found


def confirmed(trials: Trials) -> Confirmation:
    return confirm(trials.plan, trials.study, SimpleNamespace(run_id="none"))  # type: ignore[arg-type]


def rendered(trials: Trials) -> str:
    return page.render(trials.plan, trials.study, confirmed(trials))


def usual(params: Params, objectives: list[Objective] | None = None) -> Trials:
    """Trial 0 is present, trial 2 the best one; 3 is pruned, 4 has failed."""
    wanted = objectives or [DISTANCE]
    trials = Trials(make_plan(params, RANGES, wanted))
    for value in (46.5, 128.7, 24.25):
        trials.add(*(value + place for place in range(len(wanted))))
    trials.add(state=TrialState.PRUNED, reports=2)
    trials.add(state=TrialState.FAIL, reports=0, reason=WORST)
    return trials


class Page(HTMLParser):
    """Collects tags with their attributes, the text of all but style and script, and the scripts."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "input", "br"):
            self._open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[-1] += data
        elif self._open and self._open[-1] != "style":
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def drawings(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.scripts if text.startswith('{"data"')]


def row(text: str, number: int) -> list[str]:
    """Returns the cells of a trial's row."""
    table = text[text.index('<section id="trials"') :]
    found = re.search(rf'<tr class="\w+"><th scope="row">{number}[ <].*?</tr>', table, re.S)
    assert found is not None
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", found[0], re.S)
    return [html.unescape(" ".join(re.sub(r"<[^>]+>", " ", cell).split())) for cell in cells]


def test_page_needs_nothing_from_outside(params: Params, measured: Measured) -> None:
    found = Page(rendered(usual(params)))
    for _, attributes in found.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), attributes
    assert not {"iframe", "object", "embed", "base", "form"} & {tag for tag, _ in found.tags}
    policy = next(meta["content"] or "" for meta in found.all("meta") if meta.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "http" not in policy
    style = re.findall(r"<style>(.*?)</style>", rendered(usual(params)), re.S)
    assert "url(" not in "".join(style)
    assert "@import" not in "".join(style)


def test_plotly_is_there_once(params: Params, measured: Measured) -> None:
    text = rendered(usual(params))
    found = Page(text)
    assert len([script for script in found.scripts if len(script) > 1_000_000]) == 1
    assert text.count("* plotly.js v") == 1
    assert (
        len(found.drawings)
        == len([tag for tag in found.all("div") if tag.get("class") == "plot"])
        == 8
    )
    assert all(drawing["data"] for drawing in found.drawings)


def test_page_is_accessible(params: Params, measured: Measured) -> None:
    found = Page(rendered(usual(params)))
    assert all(image.get("alt") for image in found.all("img"))
    assert all(cell.get("scope") for cell in found.all("th"))
    assert found.all("html")[0]["lang"] == "en"
    assert [tag for tag, _ in found.tags if tag in ("h1", "main")] == ["h1", "main"]
    plots = [tag for tag in found.all("div") if tag.get("class") == "plot"]
    assert all(tag.get("role") == "img" and tag.get("aria-label") for tag in plots)
    assert plots[0]["aria-label"] == (
        "frechet_distance of each trial in order, and the best so far: 3 complete trials, best 24.25."
    )
    identifiers = {attributes.get("id") for _, attributes in found.tags}
    assert {(link["href"] or "")[1:] for link in found.all("a")} <= identifiers
    assert {
        script["data-plot"] for script in found.all("script") if "data-plot" in script
    } <= identifiers


def test_improvement_beyond_the_spread_is_a_verdict(params: Params, measured: Measured) -> None:
    text = Page(rendered(usual(params))).text
    assert (
        "Better Trained in full, the settings of trial 2 beat the present ones by frechet_distance"
        in text
    )
    numbers = "42.00 ± 2.0 before, 31.00 ± 1.0 after (26 % lower); the improvement, 11.0, is larger than the spread, 2.2."
    assert (
        f"Validation frechet_distance {numbers} Test frechet_distance {numbers}" in text
    )  # √(2² + 1²) = 2.24
    assert "Weak" not in text
    assert "The price" not in text


def test_improvement_within_the_spread_is_called_weak(params: Params, measured: Measured) -> None:
    measured.others_on_test = (39.0, 41.0, 43.0)
    text = Page(rendered(usual(params))).text
    assert (
        "Weak Trained in full, the settings of trial 2 are better on average over 3 seeds, but their"
        in text
    )
    assert " test frechet_distance by no more than the spread: that may be chance." in text
    assert (
        "41.00 ± 2.0 after (2.4 % lower); the improvement, 1.00, is not larger than the spread, 2.8."
        in text
    )


def test_winner_that_is_worse_on_test_images_is_not_confirmed(
    params: Params, measured: Measured
) -> None:
    measured.others_on_test = (50.0, 51.0, 52.0)
    text = Page(rendered(usual(params))).text
    assert (
        "Not confirmed Trained in full with 3 seeds, the settings of trial 2 have no better test"
        in text
    )
    assert " test frechet_distance: there is no reason to take them over." in text
    assert (
        "51.00 ± 1.0 after (21 % higher); the change, for the worse, 9.00, is larger than the spread, 2.2."
        in text
    )


def test_nothing_better_is_said_plainly(params: Params, measured: Measured) -> None:
    measured.others = (60.0, 61.0, 62.0)
    text = rendered(usual(params))
    assert (
        "Nothing better than the present settings was found. Trained in full, they have the best validation "
        in text
    )
    assert "frechet_distance, 40.00; the best trials: trial 2 60.00, trial 1 60.00." in text
    assert "Winner" not in Page(text).text
    assert row(text, 0)[0] == "0 present"
    assert len(re.findall(r'<figure class="plate', text)) == 4  # three kinds, and the originals


def test_what_is_worse_is_the_price(params: Params, measured: Measured) -> None:
    measured.others_psnr = 18.0
    text = rendered(usual(params))
    price = "validation/reconstruction/psnr 20.10 before, 18.10 after; test/reconstruction/psnr 20.10 before, 18.10 after"
    assert f"The price Worse by more than the spread: {price}." in Page(text).text
    assert "/pca/" not in text.split("<section")[1]
    assert re.search(
        r"test/reconstruction/psnr</code></th><td>20.10 ± 0.10</td><td>18.10 ± 0.10</td><td>worse<",
        text,
    )


def test_settings_before_and_after(params: Params, measured: Measured) -> None:
    trials = usual(params)
    winner = trials.study.trials[2].user_attrs[loop.SETTINGS]
    text = Page(rendered(trials)).text
    rate = f"{winner['learning_rate']:.4g}"
    assert f"learning_rate 0.001 {rate} 0.0001 to 0.01, logarithmic kl_weight 1 " in text
    assert f"depth 2 {winner['depth']} 1 to 4, whole numbers" in text


def test_table_has_every_trial_with_its_reason(params: Params, measured: Measured) -> None:
    text = rendered(usual(params))
    assert row(text, 0) == ["0 present", "complete", "46.50", "0.001", "1", "2", "12.3", ""]
    assert row(text, 2)[:3] == ["2 winner", "complete", "24.25"]
    assert [row(text, 3)[place] for place in (1, 2, -1)] == [
        "pruned",
        "–",
        "worse than others were at step 200",
    ]
    assert [row(text, 4)[place] for place in (1, 2, -1)] == ["failed", "–", WORST]
    assert "<script>alert" not in text
    assert "Complete 3 Failed 1 Pruned 1" in Page(text).text


def test_finalist_that_fails_in_full_is_left_out_and_named(
    params: Params, measured: Measured
) -> None:
    measured.fails = "trial 2"
    found = confirmed(usual(params))
    assert [each.contender.name for each in found.failed] == ["trial 2"]
    assert found.winner.name == "trial 1"
    said = Page(rendered(usual(params))).text
    assert f"trial 2 could not be trained in full ({WORST}) and was left out." in said
    assert f"trial 2 failed: {WORST}" in said


@pytest.mark.parametrize(
    "fails",
    ["present", "trial 2 in full, seed 8"],
    ids=["present settings", "winner's second seed"],
)
def test_comparison_needs_both_sides(params: Params, measured: Measured, fails: str) -> None:
    measured.fails = fails
    with pytest.raises(
        InputError, match=r"a training in full must succeed\. Received: (present|trial 2): <script>"
    ):
        confirmed(usual(params))


def test_lost_trial_is_no_failed_one(params: Params, measured: Measured) -> None:
    trials = usual(params)
    trials.add(state=TrialState.FAIL)
    text = rendered(trials)
    assert [row(text, 5)[place] for place in (1, -1)] == [
        "lost",
        "its process was lost; it was tried again",
    ]
    assert "genlab tune vae --trials 5\n" in text  # it does not count


def test_how_it_was_searched(params: Params, measured: Measured) -> None:
    text = rendered(usual(params))
    said = Page(text).text
    for part in (
        "Objective minimize frechet_distance, on validation images",
        "Sampler random; trial 0 has the present settings",
        "Pruner median, by the validation frechet_distance, at 8 times in a training",
        "A trial 3,000 training steps, of 12,000 in full",
        "Scored on at most 2,000 validation images; against 2 sets of as many generated ones",
        "Seeds the search 7; the trainings in full 7, 8, 9",
        f"Data, SHA-256 {'ab' * 32}",
        "dvc repro floor genlab tune vae --trials 5 genlab tune vae --apply dvc repro",
    ):
        assert part in said
    other = usual(params)
    other.plan = dataclasses.replace(other.plan, study_name="my study")
    assert "genlab tune vae --apply --study 'my study'" in Page(rendered(other)).text


def test_pictures_of_both_sides_stay_for_a_later_call(params: Params, measured: Measured) -> None:
    trials = usual(params)
    first = rendered(trials)
    runs = measured.runs
    assert rendered(trials) == first  # equal inputs give equal bytes
    assert (
        measured.runs == runs == 3 + 6
    )  # finalists once; two sides, three seeds each: nothing was trained again
    found = confirmed(trials)
    strips = re.findall(r'<div class="strip".*?</div>\n</div>', first, re.S)
    assert [strip.count("<figure") for strip in strips] == [2, 2, 3]
    for side, place in ((found.present[0], 0), (found.won[0], 1)):
        kept = pictures(trials.plan, side)
        assert sorted(kept) == sorted(trial.PICTURES)
        source = page._read(kept["prior_samples"])
        assert source is not None
        assert source.source in strips[0].split("<figure")[place + 1]
    assert "Present settings" in strips[0].split("<figure")[1]
    assert "Winner: trial 2" in strips[0].split("<figure")[2]


def test_study_without_pictures_says_so(params: Params, measured: Measured) -> None:
    trials = usual(params)
    found = confirmed(trials)
    for side in (found.present[0], found.won[0]):
        for path in pictures(trials.plan, side).values():
            path.unlink()
    assert "None: the trainings in full left no pictures" in page.render(
        trials.plan, trials.study, found
    )


def test_trial_keeps_its_pictures_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), np.uint8)
    given = {"prior_samples": rows, "reconstructions": rows[:3], "closest_pairs": rows}
    scores = SimpleNamespace(pictures=given, skipped={}, values=lambda: {"test/x": 1.0})
    monkeypatch.setattr(
        trial.trained_model, "load", lambda folder: SimpleNamespace(as_seen=lambda images: images)
    )
    monkeypatch.setattr(trial.feature_extractor, "load", lambda folder: None)
    monkeypatch.setattr(
        trial,
        "Task",
        lambda *args, **more: SimpleNamespace(real=SimpleNamespace(images=255 - rows)),
    )
    monkeypatch.setattr(trial.evaluation, "measure", lambda task: scores)
    logged: list[tuple[Path, str]] = []
    run = SimpleNamespace(log_image=lambda path, key, step: logged.append((path, key)))
    job = SimpleNamespace(folder=tmp_path / "training", settings=SimpleNamespace(steps=5))
    order = SimpleNamespace(
        pictures=tmp_path / "kept", features=None, images=None, params=SimpleNamespace(seed=1)
    )
    assert trial._measure(order, job, "test", run) == {"test/x": 1.0}  # type: ignore[arg-type]
    assert logged == [(tmp_path / "kept" / "prior_samples.png", "samples")]
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert kept == ["originals.png", "prior_samples.png", "reconstructions.png"]
    from PIL import Image

    with Image.open(tmp_path / "kept" / "originals.png") as image:
        np.testing.assert_array_equal(np.asarray(image), arrays.grid(255 - rows[:3])[..., 0])


def drawn(text: str, title: str) -> bool:
    """Whether a figure is drawn; one that is not has its reason on the page."""
    is_drawn, is_named = f"<figcaption>{title}" in text, f"<b>{title}" in text
    assert is_drawn != is_named, title
    return is_drawn


def only_one(trials: Trials) -> None:
    trials.add(30.0)


def all_others_failed(trials: Trials) -> None:
    trials.add(30.0)
    for _ in range(4):
        trials.add(state=TrialState.FAIL, reports=0, reason="out of memory")


def all_others_pruned(trials: Trials) -> None:
    trials.add(30.0)
    for _ in range(3):
        trials.add(state=TrialState.PRUNED, reports=1)


def all_equal(trials: Trials) -> None:
    for _ in range(4):
        trials.add(30.0, reports=0)


def several(trials: Trials) -> None:
    for value in (30.0, 20.0, 25.0):
        trials.add(value)


POOR: list[tuple[Callable[[Trials], None], dict[str, BaseDistribution], dict[str, str]]] = [
    (only_one, RANGES, {"Which settings mattered": "it needs 2 complete trials, and there is 1",
                        "All settings together": "it needs 2 complete trials, and there is 1"}),
    (all_others_failed, RANGES, {"Which settings mattered": "it needs 2 complete trials, and there is 1",
                                 "All settings together": "it needs 2 complete trials, and there is 1"}),
    (all_others_pruned, RANGES, {"Which settings mattered": "it needs 2 complete trials, and there is 1",
                                 "All settings together": "it needs 2 complete trials, and there is 1"}),
    (all_equal, RANGES, {"Which settings mattered": "all complete trials have the same value",
                         "Values on the way": "no trial reported a value during its training"}),
    (several, LEARNING_RATE, {"Which settings mattered": "learning_rate is the only setting that was searched"}),
    (several, CHOICES, {}),
    (several, RANGES | CHOICES, {}),
]  # fmt: skip


@pytest.mark.parametrize(("fill", "distributions", "missing"), POOR)
def test_poor_studies_do_not_break_the_page(
    params: Params,
    measured: Measured,
    fill: Callable[[Trials], None],
    distributions: dict[str, BaseDistribution],
    missing: dict[str, str],
) -> None:
    trials = Trials(make_plan(params, distributions, [DISTANCE]))
    fill(trials)
    text = rendered(trials)
    found = Page(text)
    assert not any("it cannot be drawn" in part for part in found.words)
    for title in (
        "History",
        "Which settings mattered",
        "All settings together",
        "Values on the way",
        "Timeline",
    ):
        assert drawn(text, title) == (title not in missing), title
    for title, reason in missing.items():
        assert re.search(rf"<li><b>{title}[^<]*</b>: {reason}\.</li>", text)
    assert all(drawn(text, f"By {name}: frechet_distance") for name in distributions)


def test_only_the_present_settings_are_complete(params: Params, measured: Measured) -> None:
    trials = Trials(make_plan(params, RANGES, [DISTANCE]))
    all_others_failed(trials)
    text = Page(rendered(trials)).text
    assert (
        "Nothing better No other trial is complete: nothing was found beside the present settings."
        in text
    )
    assert (
        "Little was searched: 1 complete trial. 4 of 5 trials failed; their reasons are in the table."
        in text
    )


def test_several_objectives_have_a_front(params: Params, measured: Measured) -> None:
    trials = Trials(make_plan(params, RANGES, [DISTANCE, PSNR, SECONDS]))
    trials.add(40.0, 20.0, 5.0)
    trials.add(30.0, 22.0, 4.0)  # better than the former in all
    trials.add(50.0, 25.0, 6.0)
    text = rendered(trials)
    assert drawn(text, "Pareto front: frechet_distance against psnr")
    assert all(
        drawn(text, f"Which settings mattered for {each.name}") for each in trials.plan.objectives
    )
    assert drawn(text, "Pareto front: psnr against train_seconds")
    assert "2 of them are on the front of all 3 objectives." in text
    assert "Objectives frechet_distance ↓, psnr ↑, train_seconds ↓" in Page(text).text
    assert not any(
        trace["type"] == "scatter3d" for drawing in Page(text).drawings for trace in drawing["data"]
    )
    assert (
        "Train_seconds 6.000 ± 1.0 before, 6.000 ± 1.0 after. Limits" in Page(text).text
    )  # the clock has no splits
    assert "alidation train_seconds" not in Page(text).text


def test_several_objectives_report_nothing_on_the_way(params: Params, workplace: Path) -> None:
    for objectives, expected in (([DISTANCE], "frechet_distance"), ([DISTANCE, PSNR], None)):
        plan = make_plan(params, RANGES, objectives)
        assert plan.trial_order({}, 1, (0, 1), None).prune_by == expected
    with pytest.raises(NotImplementedError, match="not supported for multi-objective"):
        optuna.create_study(directions=["minimize", "maximize"]).ask().report(1.0, 1)


def test_figure_that_fails_is_left_out(
    params: Params, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **more: Any) -> None:
        raise RuntimeError("no <luck>")

    monkeypatch.setattr(drawing.visualization, "plot_timeline", broken)
    text = rendered(usual(params))
    assert "<li><b>Timeline</b>: it cannot be drawn (no &lt;luck&gt;).</li>" in text
    assert len(Page(text).drawings) == 7


def test_winner_at_the_edge_is_a_limit(params: Params, measured: Measured) -> None:
    trials = Trials(make_plan(params, LEARNING_RATE, [DISTANCE]))
    trials.add(40.0)
    trials.study.optuna.enqueue_trial({"learning_rate": 0.01})
    trials.add(30.0)
    assert (
        "The winner lies at the edge of what was searched (learning_rate 0.01)"
        in Page(rendered(trials)).text
    )


def test_file_is_written_whole(params: Params, measured: Measured, tmp_path: Path) -> None:
    trials = usual(params)
    page.write(trials.plan, trials.study, confirmed(trials), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["index.html"]
    assert (tmp_path / "out" / "index.html").read_text(encoding="utf-8") == rendered(trials)
