"""The benchmark: its arithmetic, its counts of FLOP, its tables; one tiny measurement by the real stage."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import __main__ as bench
from benchmarks import (
    machine,
    measuring,
    part_metrics,
    part_overhead,
    part_scale,
    part_search,
    part_serving,
    part_table,
    peak,
    runner,
    searching,
    stage,
    summary,
    workloads,
)
from benchmarks.runner import Plan
from genlab.contract.evidence import Samples
from genlab.imaging import arrays
from genlab.settings import plugins

PLAN = Plan(models=("vae",), precisions=("float32", "mixed_bfloat16"), rounds=2, seconds=1.0)
FLOAT32 = {
    "bare loop": (100.0, 80.0),
    "PyTorch eager": (50.0, 40.0),
    "PyTorch compile": (60.0, 30.0),
}
BFLOAT16 = {
    "bare loop": (150.0, 150.0),
    "PyTorch eager": (55.0, 90.0),
    "PyTorch compile": (70.0, 100.0),
}


def speed(contestant: str, precision: str, number: int, images_per_second: float) -> dict[str, Any]:
    measured = {"images_per_second": images_per_second, "first_step_seconds": 1.0 + number}
    return {
        "contestant": contestant,
        "model": "vae",
        "precision": precision,
        "round": number,
        **measured,
    }


def table(**stage_speeds: tuple[float, float]) -> list[dict[str, Any]]:
    """Returns measurements of two rounds, those of the stage as given."""
    found = [
        {
            "contestant": "peak",
            "precision": precision,
            "round": number,
            "peak_flop_per_second": peak_flop,
            "flop_per_image": {"vae": 5},
        }
        for precision in PLAN.precisions
        for number, peak_flop in enumerate((900.0, 1000.0))
    ]
    for precision, others in (("float32", FLOAT32), ("mixed_bfloat16", BFLOAT16)):
        for name, rounds in ({"stage train": stage_speeds[precision]} | others).items():
            found += [speed(name, precision, number, value) for number, value in enumerate(rounds)]
    return found


def named(bars: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(bar for bar in bars if name in bar["name"])


def test_ratios_are_taken_round_by_round() -> None:
    assert summary.paired_ratios(
        {0: 10.0, 1: 40.0, 2: 9.0}, {0: 10.0, 1: 20.0, 3: 1.0}
    ) == summary.Spread(median=1.5, least=1.0, greatest=2.0, count=2)
    assert summary.paired_ratios({0: 1.0}, {1: 1.0}) is None


def test_the_fastest_has_the_highest_median() -> None:
    assert (
        summary.fastest(
            {"steady": {0: 5.0, 1: 5.0, 2: 5.0}, "once": {0: 4.0, 1: 99.0, 2: 4.0}, "no": {}}
        )
        == "steady"
    )
    assert summary.fastest({}) is None


def test_overhead_is_that_of_a_real_training() -> None:
    # 0.6 s more than 12 s, of which a real training has ten times as many after 1 s of compiling
    off = {"training_seconds": 12.0, "first_call_seconds": 1.0, "fewer": 10}
    assert summary.overhead({"training_seconds": 12.6}, off) == pytest.approx(0.6 / 121)


@pytest.mark.parametrize(
    ("value", "at_most", "passed"), [(0.9, False, False), (0.9, True, True), (None, True, None)]
)
def test_bars(value: float | None, at_most: bool, passed: bool | None) -> None:
    assert summary.Bar("any", value, 0.95, at_most).passed is passed


def test_the_table_compares_with_the_fastest_of_the_others() -> None:
    summarised = part_table.summarise(
        table(float32=(90.0, 80.0), mixed_bfloat16=(120.0, 180.0)), PLAN
    )
    row = summarised["rows"][0]
    assert (row["contestant"], row["precision"]) == ("stage train", "float32")
    assert row["images_per_second"]["median"] == 85
    assert row["share_of_peak"] == pytest.approx(85 * 5 / 1000)  # the best peak of all rounds
    assert row["first_step_seconds"] == 2  # the slowest
    bars = summarised["bars"]
    assert named(bars, "bare loop, float32")["value"] == pytest.approx((0.9 + 1.0) / 2)
    assert named(bars, "bare loop, float32")["passed"]
    assert named(bars, "PyTorch eager, float32")["value"] == pytest.approx((90 / 50 + 80 / 40) / 2)
    # ours in bfloat16 against torch.compile in bfloat16: medians of 150 and 85
    assert named(bars, "any precision")["value"] == pytest.approx((120 / 70 + 180 / 100) / 2)
    assert not named(bars, "any precision")["passed"]


def test_without_torch_its_columns_are_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(self: runner.Runner, module: str, *arguments: str) -> dict[str, Any]:
        assert module != "torch_loop"
        if module == "peak":
            return {"peak_flop_per_second": 1e9, "flop_per_image": {"vae": 1000}}
        return {"images_per_second": 100.0, "first_step_seconds": 1.0, "others_share": 0.0}

    monkeypatch.setattr(machine, "has_torch", lambda: False)
    monkeypatch.setattr(runner.Runner, "start", start)
    monkeypatch.setattr(runner.Runner, "dataset", lambda self, number: tmp_path)
    out = tmp_path / "bench.json"
    arguments = ["--part=table", "--model=vae", "--precision=float32", "--rounds=2", f"--out={out}"]
    result = CliRunner().invoke(bench.main, arguments)
    assert result.exit_code == 0, result.output
    assert "PyTorch eager" in result.output
    assert "not measured" in result.output
    report = json.loads(out.read_text())["table"]
    assert named(report["bars"], "PyTorch eager")["passed"] is None
    assert named(report["bars"], "bare loop")["passed"] is True
    assert len(report["measurements"]) == 2 * 4  # rounds times peak, stage, bare loop, fit


def test_a_run_that_breaks_off_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        {"peak_flop_per_second": 1e9, "flop_per_image": {"vae": 1000}},
        {"images_per_second": 7.0},
    ]
    monkeypatch.setattr(runner.Runner, "start", lambda self, *arguments: answers.pop(0))
    monkeypatch.setattr(runner.Runner, "dataset", lambda self, number: tmp_path)
    out = tmp_path / "reports" / "bench.json"
    with pytest.raises(IndexError):
        bench.run(("table",), ("vae",), ("float32",), 1, 1.0, out)
    measurements = json.loads(out.read_text())["table"]["measurements"]
    assert [each["contestant"] for each in measurements] == ["peak", "stage train"]


def test_a_failed_contestant_is_named_and_others_count() -> None:
    failed = {
        "contestant": "Keras fit",
        "model": "vae",
        "precision": "float32",
        "round": 0,
        "error": "no memory",
    }
    summarised = part_table.summarise(
        [*table(float32=(1.0, 1.0), mixed_bfloat16=(1.0, 1.0)), failed], PLAN
    )
    row = next(row for row in summarised["rows"] if row["contestant"] == "Keras fit")
    assert row["errors"] == ["no memory"]
    assert any("Keras fit" in line and "failed" in line for line in part_table.lines(summarised))


def test_a_disturbed_measurement_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [{"images_per_second": 1.0, "others_share": share} for share in (0.5, 0.01, 0.0)]
    monkeypatch.setattr(runner.Runner, "start", lambda self, *arguments: answers.pop(0))
    monkeypatch.setattr(runner.Runner, "dataset", lambda self, number: tmp_path)
    measured = runner.Runner(tmp_path, 1.0).run("stage", "vae", "float32", 10)
    assert (measured["others_share"], len(answers)) == (0.01, 1)


def test_who_fails_is_quoted(tmp_path: Path) -> None:
    assert "no-such-model" in runner.Runner(tmp_path, 1.0).start("peak", "--no-such-model")["error"]


def test_search_is_summarised() -> None:
    speeds = {1: (100.0, 110.0, 100.0), 2: (150.0, 187.0, 164.0)}  # ratios 1.5, 1.7, 1.64
    found = [
        {
            "contestant": workers,
            "model": "vae",
            "round": number,
            "trials_per_hour": speed,
            "overhead": 0.03 * workers,
        }
        for workers, rounds in speeds.items()
        for number, speed in enumerate(rounds)
    ]
    ratio, one, two = part_search.summarise(found, PLAN)["bars"]
    assert (ratio["value"], ratio["passed"]) == (pytest.approx(1.64), True)
    assert [(bar["value"], bar["passed"]) for bar in (one, two)] == [(0.03, True), (0.06, False)]


def test_overhead_of_a_search_leaves_out_what_waits_for_imports_and_what_failed() -> None:
    def trial(seconds: float, values: list[float] | None = None) -> SimpleNamespace:
        useful = {"fit_seconds": 8.0, "measure_seconds": 1.0}
        return SimpleNamespace(
            values=values, user_attrs={"genlab.values": useful, "genlab.seconds": seconds}
        )

    trials = [trial(30.0, [1.0]), trial(20.0, [1.0]), trial(10.0, [1.0]), trial(500.0)]
    assert searching.overhead_share(trials, workers=2) == pytest.approx(0.1)
    assert searching.overhead_share(trials, workers=1) == pytest.approx(1 - 18 / 30)


def test_overhead_and_scale_are_summarised() -> None:
    off = {"training_seconds": 10.0, "first_call_seconds": 0.0, "fewer": 10}
    pairs = [
        {"contestant": name, "model": "vae", "round": number, **off, "training_seconds": seconds}
        for number in range(2)
        for name, seconds in (("on", 11.0 + 3 * number), ("off", 10.0))
    ]
    (bar,) = part_overhead.summarise(pairs, PLAN)["bars"]
    assert (bar["value"], bar["passed"]) == (pytest.approx(0.025), True)
    sizes = [
        {
            "contestant": name,
            "num_images": number,
            "batch_size": 128,
            "round": 0,
            "images_per_second": images_per_second,
            "peak_anonymous_megabytes": 500.0 + 100 * number / 1e6,
            "peak_megabytes": 1000.0,
        }
        for name in part_scale.VARIANTS
        for number, images_per_second in zip(
            part_scale.NUM_IMAGES, (100.0, 95.0, 80.0), strict=True
        )
    ]
    summarised = part_scale.summarise(sizes, PLAN)
    assert [bar["passed"] for bar in summarised["bars"]] == [False, False, False]
    assert summarised["bars"][0]["value"] == pytest.approx(0.8)
    assert summarised["bars"][2]["value"] == pytest.approx(600 / 501)
    assert len(list(part_scale.lines(summarised))) == 1 + 6
    without_the_largest = [
        each for each in sizes if each["num_images"] < max(part_scale.NUM_IMAGES)
    ]
    assert [bar["value"] for bar in part_scale.summarise(without_the_largest, PLAN)["bars"]] == [
        None,
        None,
        None,
    ]


def test_metrics_are_summarised() -> None:
    found = [
        {"contestant": "distance", "round": number, "seconds": seconds, "others_seconds": 10.0}
        for number, seconds in enumerate((1.0, 2.0, 2.5))
    ]
    found += [{"contestant": "covariance", "round": 0, "seconds": 3.0, "others_seconds": 2.5}]
    found += [{"contestant": "scores", "round": 0, "error": "no memory"}]
    summarised = part_metrics.summarise(found, PLAN)
    assert [bar["value"] for bar in summarised["bars"]] == [
        pytest.approx(5),
        None,
        pytest.approx(1.2),
    ]
    assert [bar["passed"] for bar in summarised["bars"]] == [True, None, True]
    assert "not measured" in list(part_metrics.lines(summarised))[-1]
    assert part_metrics.summarise([], PLAN)["bars"][0]["passed"] is None


def test_metrics_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"FEATURE_DIM": 6, "NUM_IMAGES": 50, "SCORED_IMAGES": 300, "TRAIN_IMAGES": 400}
    for name, value in sizes.items():
        monkeypatch.setattr(measuring, name, value)
    assert measuring.distance()["relative_difference"] < 1e-9
    assert set(measuring.covariance()) == {"seconds", "others_seconds"}
    scores = measuring.scores()
    assert 0 < scores["seconds_of_metrics"] < scores["seconds"]
    asked = [module for module in map(metric, plugins.names("metrics")) if module.NEEDS is Samples]
    assert scores["num_scores"] == sum(len(module.MEASURES) for module in asked)


def metric(name: str) -> Any:
    return plugins.find("metrics", name, "tests")


def test_flop_by_hand() -> None:
    dense = 784 * 500 + 500 * 500 + 500 * 40 + 20 * 500 + 500 * 500 + 500 * 784
    assert peak.step_flop(peak.build("vae")) == 2 * (3 * dense - 784 * 500)
    encoder = 14 * 14 * 16 * 32 + 7 * 7 * 16 * 32 * 64 + 3136 * 500 + 500 * 40
    decoder = 20 * 3136 + 7 * 7 * 16 * 64 * 32 + 14 * 14 * 16 * 32
    assert peak.step_flop(peak.build("convolutional_vae")) == 2 * (
        3 * (encoder + decoder) - 14 * 14 * 16 * 32
    )
    generator = 64 * 6272 + 7 * 7 * 16 * 128 * 64 + 14 * 14 * 16 * 64
    discriminator = 14 * 14 * 16 * 64 + 7 * 7 * 16 * 64 * 128 + 6272
    in_all = 3 * generator - 64 * 6272 + 8 * discriminator - 2 * 14 * 14 * 16 * 64
    assert peak.step_flop(peak.build("gan")) == 2 * in_all


def test_the_steady_speed_is_that_of_whole_periods() -> None:
    rows = [
        stage.Row(step, at)
        for step, at in ((1, 0.0), (10, 9.0), (20, 10.0), (25, 10.4), (30, 11.0), (31, 50.0))
    ]
    assert stage.whole_periods(rows, period=10) == (stage.Row(10, 9.0), stage.Row(30, 11.0))


def test_generated_images_are_a_fetched_data_set(tmp_path: Path) -> None:
    folder = workloads.write_dataset(tmp_path / "images", 300, num_validation=10)
    train = arrays.read_split(folder, "train")
    assert arrays.read_description(folder)["num_images"] == {
        "train": 300,
        "validation": 10,
        "test": 100,
    }
    assert (train.images.shape, train.images.dtype) == ((300, 28, 28, 1), np.uint8)
    assert len(np.unique(train.images.reshape(300, -1), axis=0)) == 300
    assert 0.02 < train.images.mean() / 255 < 0.3


def test_one_measurement_by_the_real_stage(tmp_path: Path) -> None:
    folder = workloads.write_dataset(tmp_path / "images", 300, num_validation=10)
    variant = "validate_every_steps=20+log_every_steps=10"
    arguments = (
        "autoencoder",
        f"--data={folder}",
        "--seconds=0.1",
        "--batch-size=16",
        f"--variant={variant}",
    )
    measured = runner.Runner(tmp_path, 0.1).start("stage", *arguments)
    assert measured.get("error") is None
    assert measured["images_per_second"] > 0
    assert 0 < measured["first_step_seconds"] < 60
    assert 50 < measured["peak_anonymous_megabytes"] < measured["peak_megabytes"]


if machine.has_torch():  # no dependency: where it is not installed there is nothing to test

    @pytest.mark.parametrize("name", workloads.ENTRIES)
    def test_pytorch_has_the_same_parameters(name: str) -> None:
        from benchmarks import torch_loop

        _, settings = workloads.settings(name)
        theirs = torch_loop.NETWORKS[settings.kind](settings)
        ours = peak.build(name)
        count = sum(math.prod(variable.shape) for variable in ours.trainable_variables)
        assert sum(value.numel() for value in theirs.parameters() if value.requires_grad) == count


def test_serving_shows_the_median_round_and_judges_the_slow_tail() -> None:
    def round_of(number: int, p95: float) -> dict[str, Any]:
        case = {
            "num_images": 1,
            "format": "png",
            "median_seconds": 0.02,
            "p95_seconds": p95,
            "samples_per_second": 40.0,
        }
        return {"contestant": "vae", "round": number, "cases": [case]}

    found = part_serving.summarise(
        [round_of(0, 0.05), round_of(1, 0.3), round_of(2, 0.09), {"error": "x"}], PLAN
    )
    assert [(bar["value"], bar["passed"]) for bar in found["bars"]] == [(0.09, True), (None, None)]
    (_, row) = part_serving.lines(found)
    assert row.split() == ["vae,", "1", "as", "png", "20.0", "90.0", "40"]
