"""What page and sentences say of trials that go on, and of several objectives."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tuning_parts as tp
from tuning_parts import run_all
from tuning_study import DISTANCE, PSNR, Measured

from genlab import training
from genlab.settings.params import Params
from genlab.tune import differences, findings, front, page, process, results
from genlab.tune.confirm import Confirmation, confirm
from genlab.tune.continued import Continued
from genlab.tune.halving import Halving
from genlab.tune.method import TrialPart
from genlab.tune.population import Population

HALVING = {"method": "halving", "rungs": 3, "reduction_factor": 3, "brackets": 1}
RUN: Any = SimpleNamespace(run_id="none")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> Measured:
    values = Measured()
    monkeypatch.setattr(process, "run", values.run)
    monkeypatch.setattr(training, "copy_paused", lambda *keys: None)
    return values


def higher_is_better(part: TrialPart) -> list[float]:
    step = part.pause.step if part.pause else 1
    return [100.0 - part.trial.number + 1000 / step]


def rendered(method: Continued) -> tuple[str, Confirmation]:
    confirmed = confirm(method.plan, method.study, RUN)
    return page.render(method.plan, method.study, confirmed), confirmed


def test_halving(params: Params, measured: Measured) -> None:
    plan = tp.make_plan(params, **HALVING)
    method = Halving(plan, tp.open_study(plan), 9)
    run_all(method, higher_is_better)
    text, confirmed = rendered(method)
    assert "compared at steps 333, 1000, 3000, and the best 1/3 go on" in text
    assert "worse than others were at step 333" in text
    assert "worse than others were at step 1,000" in text
    assert "How well a rung ranks" in text
    assert "– (1 trial)" in text
    assert "<dt>Pruner</dt><dd>none</dd>" in text
    assert "<dt>Chosen by</dt>" not in text
    assert confirmed.winner.name == "trial 8"
    facts = results._facts(plan, method.study, confirmed)
    assert [each["step"] for each in facts["rank_correlation"]] == [333, 1000]


def test_population_and_its_schedule(params: Params, measured: Measured) -> None:
    plan = tp.make_plan(params, method="population", intervals=3, replaced=0.5)
    method = Population(plan, tp.open_study(plan), 2)
    at = {(0, 1000): 1.0, (1, 1000): 9.0, (1, 2000): 4.0, (1, 3000): 0.5}
    run_all(method, lambda part: [at.get((part.trial.number, part.pause.step), 5.0)])  # type: ignore[union-attr]
    text, confirmed = rendered(method)
    schedule = confirmed.winner.schedule
    assert [stage["step"] for stage in schedule] == [0, 1000]
    assert schedule[-1]["settings"] == confirmed.winner.settings
    assert "The winner&#39;s schedule" in text or "The winner's schedule" in text
    assert "become changed copies of the best" in text


def test_schedule_of_a_training_in_full_keeps_its_shares(
    params: Params, measured: Measured
) -> None:
    """A trial has 3,000 steps here, a training in full 12,000."""
    plan = tp.make_plan(params, method="population")
    entries = [{"step": step, "settings": {"depth": step}} for step in (0, 300, 2000)]
    stages, own_by = plan.stages(entries, 1)
    assert [(stage.pause.start, stage.pause.step) for stage in stages] == [(0, 1200), (1200, 8000)]
    assert [stage.params.models["vae"]["depth"] for stage in stages] == [0, 300]
    assert not any(stage.pause.is_shown for stage in stages)
    assert own_by is not None
    assert own_by.seed == 8
    assert plan.stages([], 1) == ((), None)


# Several objectives


def of_many(improvements: list[tuple[float, float]]) -> findings.StudyStatement:
    """Returns the verdict on improvements, each with how probable it is by chance."""
    names = ("validation a", "test a", "validation b", "test b")
    numbers = [
        differences.Difference(name, 1.0, 0.1, 1.0 - improvement, 0.1, improvement, p)
        for name, (improvement, p) in zip(names, improvements, strict=True)
    ]
    plan: Any = SimpleNamespace(
        objectives=[DISTANCE, PSNR], params=SimpleNamespace(search=SimpleNamespace(num_seeds=3))
    )
    return findings._verdict(plan, numbers, "trial 4")


@pytest.mark.parametrize(
    ("improvements", "topic", "tone"),
    [
        ([(0.5, 0.01), (0.5, 0.01), (0.1, 0.6), (-0.1, 0.6)], "Better", "plain"),
        ([(0.5, 0.01), (0.5, 0.01), (-0.5, 0.01), (-0.1, 0.6)], "A trade", "weak"),
        ([(0.1, 0.5), (0.1, 0.5), (-0.5, 0.01), (-0.1, 0.6)], "Not confirmed", "weak"),
        ([(0.1, 0.5), (0.1, 0.5), (0.5, 0.06), (-0.1, 0.6)], "Weak", "weak"),
    ],
)
def test_verdict_of_several_objectives(
    improvements: list[tuple[float, float]], topic: str, tone: str
) -> None:
    verdict = of_many(improvements)
    assert (verdict.topic, verdict.tone) == (topic, tone)
    assert ("validation b" in verdict.text) == (topic in ("A trade", "Not confirmed"))


def test_page_states_the_rule_and_the_knee_wins(params: Params, measured: Measured) -> None:
    """Trial 2 is the knee of the trials; in full, others have the lower distance, equal PSNR."""
    plan = tp.make_plan(params, [DISTANCE, PSNR], **HALVING)
    method = Halving(plan, tp.open_study(plan), 3)
    points = [[9.0, 30.0], [1.0, 10.0], [2.0, 29.0]]
    run_all(method, lambda part: points[part.trial.number])
    text, confirmed = rendered(method)
    assert confirmed.winner.name == "trial 2"
    assert front.RULE.split(";")[0] in text
    assert '<th scope="col">Validation psnr</th>' in text
    assert page._reason(method.study.trials[0]) == "worse than others were at step 333"
    assert results._facts(plan, method.study, confirmed)["chosen_by"] == front.RULE


def test_present_settings_that_are_the_knee_stay(params: Params, measured: Measured) -> None:
    measured.others, measured.others_psnr = (50.0, 50.0, 50.0), 20.5
    plan = tp.make_plan(params, [DISTANCE, PSNR], **HALVING)
    method = Halving(plan, tp.open_study(plan), 3)
    run_all(method, lambda part: [[9.0, 30.0], [1.0, 10.0], [2.0, 29.0]][part.trial.number])
    confirmed = confirm(plan, method.study, RUN)
    assert not confirmed.has_winner
    (statement, *_) = findings.findings(plan, method.study.trials, confirmed)
    assert "the knee of the finalists" in statement.text
    assert dataclasses.asdict(confirmed.winner)["schedule"] == []
