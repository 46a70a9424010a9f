"""The study's page: it says what the trials say, needs no other file, and survives a poor study."""

import dataclasses
import html
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import tuning_study as ts
from optuna import visualization
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState
from report_workspace import Page
from tuning_study import CHOICES, DISTANCE, PSNR, RANGES, SECONDS, WORST, Measured, Trials, usual

import genlab
from genlab.runtime.errors import InputError
from genlab.settings.params import Params
from genlab.tune import differences, findings, page, process, trial
from genlab.tune.confirm import pictures

SNAPSHOT = Path(__file__).parent / "snapshots" / "study.txt"
"""The usual page. To write it again: RENEW_SNAPSHOTS=1 pytest tests/tune/test_tune_page.py"""


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> Measured:
    values = Measured()
    monkeypatch.setattr(process, "run", values.run)
    return values


def drawings(text: str) -> list[dict[str, Any]]:
    """Returns what Plotly is given, figure by figure."""
    scripts = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)
    return [json.loads(script) for script in scripts]


def row(text: str, number: int) -> list[str]:
    """Returns the cells of a trial's row."""
    table = text[text.index('<section id="trials"') :]
    match = re.search(rf'<tr class="\w+"><th scope="row">{number}[ <].*?</tr>', table, re.S)
    assert match is not None
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", match[0], re.S)
    return [html.unescape(" ".join(re.sub(r"<[^>]+>", " ", cell).split())) for cell in cells]


def statements(trials: Trials) -> dict[str, findings.StudyStatement]:
    """Returns the findings by topic."""
    listed = findings.findings(trials.plan, trials.study.trials, trials.confirmed())
    return {statement.topic: statement for statement in listed}


# The page


def test_page_is_as_it_was(params: Params, measured: Measured) -> None:
    outline = Page(usual(params).rendered()).outline()
    outline = outline.replace(f"<dd> {genlab.__version__}\n", "<dd> VERSION\n")
    if os.environ.get("RENEW_SNAPSHOTS"):
        SNAPSHOT.write_text(outline)
    assert outline == SNAPSHOT.read_text()


def test_page_needs_no_other_file_and_has_plotly_once(params: Params, measured: Measured) -> None:
    text = usual(params).rendered()
    parsed = Page(text)
    for _, attributes in parsed.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), attributes
    assert not {"iframe", "object", "embed", "base", "form"} & {tag for tag, _ in parsed.tags}
    policy = next(meta["content"] or "" for meta in parsed.all("meta") if meta.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "http" not in policy
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.S))
    assert "url(" not in style
    assert "@import" not in style
    assert text.count("* plotly.js v") == 1
    assert len([tag for tag in parsed.all("div") if tag.get("class") == "plot"]) == 8
    assert [bool(drawing["data"]) for drawing in drawings(text)] == [True] * 8


def test_page_is_accessible(params: Params, measured: Measured) -> None:
    parsed = Page(usual(params).rendered())
    assert all(image.get("alt") for image in parsed.all("img"))
    assert all(cell.get("scope") for cell in parsed.all("th"))
    assert parsed.all("html")[0]["lang"] == "en"
    assert [tag for tag, _ in parsed.tags if tag in ("h1", "main")] == ["h1", "main"]
    plots = [tag for tag in parsed.all("div") if tag.get("class") == "plot"]
    assert all(tag.get("role") == "img" and tag.get("aria-label") for tag in plots)
    identifiers = {attributes.get("id") for _, attributes in parsed.tags}
    assert {(link["href"] or "")[1:] for link in parsed.all("a")} <= identifiers
    drawn = {script["data-plot"] for script in parsed.all("script") if "data-plot" in script}
    assert drawn <= identifiers


def test_table_has_every_trial_with_its_reason(params: Params, measured: Measured) -> None:
    trials = usual(params)
    trials.add(state=TrialState.FAIL)
    text = trials.rendered()
    assert row(text, 0) == ["0 present", "complete", "46.50", "0.001", "1", "2", "12.3", ""]
    assert row(text, 2)[:3] == ["2 winner", "complete", "24.25"]
    ends = [[row(text, number)[place] for place in (1, 2, -1)] for number in (3, 4, 5)]
    assert ends == [
        ["pruned", "–", "worse than others were at step 200"],
        ["failed", "–", WORST],
        ["lost", "–", "its process was lost; it was tried again"],
    ]
    assert "<script>alert" not in text
    assert "genlab tune vae --trials 5\n" in text  # a lost trial does not count


def test_commands_name_the_study(params: Params, measured: Measured) -> None:
    trials = usual(params)
    trials.plan = dataclasses.replace(trials.plan, study_name="my study")
    assert "genlab tune vae --apply --study &#39;my study&#39;" in trials.rendered()


def test_pictures_of_both_sides_stay_for_a_later_call(params: Params, measured: Measured) -> None:
    trials = usual(params)
    text = trials.rendered()
    assert trials.rendered() == text  # equal inputs give equal bytes
    assert measured.runs == 3 + 6  # finalists; two sides, three seeds each: nothing again
    strips = re.findall(r'<div class="strip".*?</div>\n</div>', text, re.S)
    assert [strip.count("<figure") for strip in strips] == [2, 2, 3]
    confirmation = trials.confirmed()
    for place, side in enumerate((confirmation.present, confirmation.won)):
        paths = pictures(trials.plan, side[0])
        assert sorted(paths) == sorted(trial.PICTURES)
        source = page._side(trials.plan, side[0]).pictures["prior_samples"].source
        assert source in strips[0].split("<figure")[place + 1]
        for path in paths.values():
            path.unlink()
    text = page.render(trials.plan, trials.study, confirmation)
    assert "None: the trainings in full left no pictures" in text


# Findings


@pytest.mark.parametrize(
    ("on_test", "topic", "numbers"),
    [
        (
            (30.0, 31.0, 32.0),
            "Better",
            ["31.00 ± 1.0 after", "26 % lower", "11.0, is more than chance (p 0.0037)"],
        ),
        (
            (39.0, 41.0, 43.0),
            "Weak",
            ["41.00 ± 2.0 after", "2.4 % lower", "1.00, may be chance (p 0.57)"],
        ),
        (
            (50.0, 51.0, 52.0),
            "Not confirmed",
            ["51.00 ± 1.0 after", "21 % higher", "9.00, is more than chance (p 0.0065)"],
        ),
    ],
)
def test_verdict_tests_the_difference(
    params: Params,
    measured: Measured,
    on_test: tuple[float, float, float],
    topic: str,
    numbers: list[str],
) -> None:
    """Present: 42 ± 2. Welch's t is 11 / √(5/3) = 8.52, 1 / √(8/3) = 0.61, 9 / √(5/3) = 6.97."""
    measured.others_on_test = on_test
    listed = statements(usual(params))
    assert next(iter(listed)) == topic
    text = listed["Test frechet_distance"].text
    assert [number for number in ["42.00 ± 2.0 before", *numbers] if number not in text] == []
    assert listed["Validation frechet_distance"].tone == "plain"
    is_weak = [topic != "Better"] * 2
    assert [listed[name].tone == "weak" for name in (topic, "Test frechet_distance")] == is_weak
    assert "The price" not in listed


def test_difference_is_tested_as_in_r() -> None:
    """t.test(c(1, 2, 3), c(4, 5, 6)): p-value 0.02131."""
    number = differences.difference("error", [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], -1)
    assert number.p_value == pytest.approx(0.02131, abs=5e-6)
    assert (number.improvement, number.is_better) == (3.0, True)
    equal = differences.difference("error", [1.0, 1.0], [1.0, 1.0], 1)
    assert (equal.p_value, equal.is_significant) == (1.0, False)


def test_nothing_better(params: Params, measured: Measured) -> None:
    measured.others = (60.0, 61.0, 62.0)
    trials = usual(params)
    text = trials.rendered()
    verdict = statements(trials)["Nothing better"].text
    assert "frechet_distance, 40.00; the best trials: trial 2 60.00, trial 1 60.00." in verdict
    assert "Winner" not in Page(text).text
    assert len(re.findall(r'<figure class="plate', text)) == 4  # three kinds, and the originals


def test_what_is_worse_is_the_price(params: Params, measured: Measured) -> None:
    measured.others_psnr = 18.0
    trials = usual(params)
    price = statements(trials)["The price"].text
    for split in ("validation", "test"):
        assert f"{split}/reconstruction/psnr 20.10 before, 18.10 after" in price
    assert "/pca/" not in price
    name = "test/reconstruction/psnr</code></th>"
    cells = "<td>20.10 ± 0.10</td><td>18.10 ± 0.10</td><td>worse<"
    assert name + cells in trials.rendered()


def test_finalist_that_fails_in_full_is_left_out_and_named(
    params: Params, measured: Measured
) -> None:
    measured.fails = "trial 2"
    trials = usual(params)
    confirmation = trials.confirmed()
    assert [failure.contender.name for failure in confirmation.failed] == ["trial 2"]
    assert confirmation.winner.name == "trial 1"
    assert f"trial 2 could not be trained in full ({WORST})" in statements(trials)["Limits"].text
    assert f"failed: {WORST}" in Page(trials.rendered()).text


@pytest.mark.parametrize("fails", ["present", "trial 2 in full, seed 8"])
def test_comparison_needs_both_sides(params: Params, measured: Measured, fails: str) -> None:
    measured.fails = fails
    with pytest.raises(InputError) as error:
        usual(params).confirmed()
    assert error.value.received == f"{fails.partition(' in full')[0]}: {WORST}"


def test_limits(params: Params, measured: Measured) -> None:
    trials = Trials(ts.make_plan(params, ts.LEARNING_RATE, [DISTANCE]))
    trials.add(40.0)
    trials.study.optuna.enqueue_trial({"learning_rate": 0.01})
    trials.add(30.0)
    trials.add(state=TrialState.FAIL, reason="out of memory")
    text = statements(trials)["Limits"].text
    for part in ("2 complete trials", "1 of 3 trials failed", "(learning_rate 0.01)", "With 3"):
        assert part in text


# Poor studies


FEW = "it needs 2 complete trials, and there is 1"
ALONE = {"Which settings mattered": FEW, "All settings together": FEW}
END = TrialState.COMPLETE
FAILED = ((), {"state": TrialState.FAIL, "reports": 0, "reason": "out of memory"})
PRUNED = ((), {"state": TrialState.PRUNED, "reports": 1})
SEVERAL = [((value,), {}) for value in (30.0, 20.0, 25.0)]
POOR: list[tuple[list[Any], dict[str, BaseDistribution], dict[str, str]]] = [
    (SEVERAL[:1], RANGES, ALONE),
    ([SEVERAL[0], *[FAILED] * 4], RANGES, ALONE),
    ([SEVERAL[0], *[PRUNED] * 3], RANGES, ALONE),
    (
        [((30.0,), {"reports": 0})] * 4,
        RANGES,
        {
            "Which settings mattered": "all complete trials have the same value",
            "Values during training": "no trial reported a value during its training",
        },
    ),
    (
        SEVERAL,
        ts.LEARNING_RATE,  # type: ignore[list-item]
        {"Which settings mattered": "learning_rate is the only setting that was searched"},
    ),
    (SEVERAL, RANGES | CHOICES, {}),
]


def drawn(text: str, title: str) -> bool:
    """Whether a figure is drawn; one that is not has its reason on the page."""
    is_drawn, is_named = f"<figcaption>{title}" in text, f"<b>{title}" in text
    assert is_drawn != is_named, title
    return is_drawn


@pytest.mark.parametrize(("ends", "distributions", "missing"), POOR)
def test_poor_studies_do_not_break_the_page(
    params: Params,
    measured: Measured,
    ends: list[Any],
    distributions: dict[str, BaseDistribution],
    missing: dict[str, str],
) -> None:
    trials = Trials(ts.make_plan(params, distributions, [DISTANCE]))
    for values, more in ends:
        trials.add(*values, **more)
    text = trials.rendered()
    assert "it cannot be drawn" not in text
    titles = ["History", "Which settings mattered", "All settings together"]
    titles += ["Values during training", "Timeline", *(f"By {name}:" for name in distributions)]
    assert {title for title in titles if not drawn(text, title)} == set(missing)
    for title, reason in missing.items():
        assert re.search(rf"<li><b>{title}[^<]*</b>: {reason}\.</li>", text)
    if len(ends) - ends.count(FAILED) - ends.count(PRUNED) == 1:
        assert "No other trial is complete" in statements(trials)["Nothing better"].text


def test_several_objectives_have_a_front(params: Params, measured: Measured) -> None:
    trials = Trials(ts.make_plan(params, RANGES, [DISTANCE, PSNR, SECONDS]))
    for values in ((40.0, 20.0, 5.0), (30.0, 22.0, 4.0), (50.0, 25.0, 6.0)):
        trials.add(*values)
    text = trials.rendered()
    for pair in ("frechet_distance against psnr", "psnr against train_seconds"):
        assert drawn(text, f"Pareto front: {pair}")
    for goal in trials.plan.objectives:
        assert drawn(text, f"Which settings mattered for {goal.name}")
    assert "2 of them are on the front of all 3 objectives." in text
    assert "frechet_distance ↓, psnr ↑, train_seconds ↓" in Page(text).text
    kinds = {trace["type"] for drawing in drawings(text) for trace in drawing["data"]}
    assert "scatter3d" not in kinds
    assert statements(trials)["Train_seconds"].text == "6.000 ± 1.0 before, 6.000 ± 1.0 after."


def test_several_objectives_report_nothing(params: Params, workplace: Path) -> None:
    """Optuna takes no reports then."""
    for objectives, expected in (([DISTANCE], "frechet_distance"), ([DISTANCE, PSNR], None)):
        plan = ts.make_plan(params, RANGES, objectives)
        assert plan.trial_order({}, 1, (0, 1), None).prune_by == expected


def test_figure_that_fails_is_left_out(
    params: Params, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **more: Any) -> None:
        raise RuntimeError("no <luck>")

    monkeypatch.setattr(visualization, "plot_timeline", broken)
    text = usual(params).rendered()
    assert "<li><b>Timeline</b>: it cannot be drawn (no &lt;luck&gt;).</li>" in text
    assert len(drawings(text)) == 7
