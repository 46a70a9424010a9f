"""The benchmark: its arithmetic, FLOP counts and tables; one tiny measurement by the real stage."""

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
    bare_loop,
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
from benchmarks.runner import Case, Plan
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


def table(**stage_speeds: tuple[float, float]) -> list[dict[str, Any]]:
    """Returns measurements of two rounds, those of the stage as given."""
    measurements: list[dict[str, Any]] = []
    for precision, others in (("float32", FLOAT32), ("mixed_bfloat16", BFLOAT16)):
        for number, flop in enumerate((900.0, 1000.0)):
            where = {"precision": precision, "round": number}
            peak_facts = {"peak_flop_per_second": flop, "flop_per_image": {"vae": 5}}
            measurements.append({"contestant": "peak", **where, **peak_facts})
            for name, rounds in ({"stage train": stage_speeds[precision]} | others).items():
                facts = {"images_per_second": rounds[number], "first_step_seconds": 1.0 + number}
                measurements.append({"contestant": name, "model": "vae", **where, **facts})
    return measurements


def named(bars: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(bar for bar in bars if name in bar["name"])


# Arithmetic


def test_ratios_are_taken_round_by_round() -> None:
    ours, theirs = {0: 10.0, 1: 40.0, 2: 9.0}, {0: 10.0, 1: 20.0, 3: 1.0}
    ratios = summary.Spread(median=1.5, least=1.0, greatest=2.0, count=2)
    assert summary.paired_ratios(ours, theirs) == ratios
    assert summary.paired_ratios({0: 1.0}, {1: 1.0}) is None


def test_the_fastest_has_the_highest_median() -> None:
    speeds = {"steady": {0: 5.0, 1: 5.0, 2: 5.0}, "once": {0: 4.0, 1: 99.0, 2: 4.0}, "no": {}}
    assert summary.fastest(speeds) == "steady"
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


# The table


def test_the_table_compares_with_the_fastest_of_the_others() -> None:
    speeds = table(float32=(90.0, 80.0), mixed_bfloat16=(120.0, 180.0))
    part = part_table.summarise(speeds, PLAN)
    row, bars = part["rows"][0], part["bars"]
    assert (row["contestant"], row["precision"]) == ("stage train", "float32")
    assert row["images_per_second"]["median"] == 85
    assert row["share_of_peak"] == pytest.approx(85 * 5 / 1000)  # the best peak of all rounds
    assert row["first_step_seconds"] == 2  # the slowest
    assert named(bars, "bare loop, float32")["value"] == pytest.approx((0.9 + 1.0) / 2)
    assert named(bars, "bare loop, float32")["passed"]
    assert named(bars, "PyTorch eager, float32")["value"] == pytest.approx((90 / 50 + 80 / 40) / 2)
    # Ours in bfloat16 against torch.compile in bfloat16: medians of 150 and 85.
    assert named(bars, "any precision")["value"] == pytest.approx((120 / 70 + 180 / 100) / 2)
    assert not named(bars, "any precision")["passed"]


def test_a_failed_contestant_is_named_and_others_count() -> None:
    failed = {"contestant": "Keras fit", "model": "vae", "precision": "float32", "round": 0}
    speeds = table(float32=(1.0, 1.0), mixed_bfloat16=(1.0, 1.0))
    part = part_table.summarise([*speeds, failed | {"error": "no memory"}], PLAN)
    row = next(row for row in part["rows"] if row["contestant"] == "Keras fit")
    assert row["errors"] == ["no memory"]
    assert any("Keras fit" in line and "failed" in line for line in part_table.lines(part))


@pytest.fixture
def _no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.Runner, "dataset", lambda self, number: tmp_path)


PEAK = {"peak_flop_per_second": 1e9, "flop_per_image": {"vae": 1000}}
SPEED = {"images_per_second": 100.0, "first_step_seconds": 1.0, "others_share": 0.0}


@pytest.mark.usefixtures("_no_data")
def test_without_torch_its_columns_are_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(self: runner.Runner, module: str, *arguments: str) -> dict[str, Any]:
        assert module != "torch_loop"
        return PEAK if module == "peak" else SPEED

    monkeypatch.setattr(machine, "has_torch", lambda: False)
    monkeypatch.setattr(runner.Runner, "start", start)
    out = tmp_path / "bench.json"
    arguments = ["--part=table", "--model=vae", "--precision=float32", "--rounds=2", f"--out={out}"]
    result = CliRunner().invoke(bench.main, arguments)
    assert result.exit_code == 0, result.output
    assert "not measured" in result.output
    report = json.loads(out.read_text())["table"]
    assert named(report["bars"], "PyTorch eager")["passed"] is None
    assert named(report["bars"], "bare loop")["passed"] is True
    assert len(report["measurements"]) == 2 * 4  # rounds times peak, stage, bare loop, fit


@pytest.mark.usefixtures("_no_data")
def test_a_run_that_breaks_off_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [PEAK, {"images_per_second": 7.0}]
    monkeypatch.setattr(runner.Runner, "start", lambda self, *arguments: answers.pop(0))
    out = tmp_path / "reports" / "bench.json"
    plan = Plan(("vae",), ("float32",), rounds=1, seconds=1.0)
    with pytest.raises(IndexError):
        bench.measure(runner.Runner(tmp_path, 1.0), "table", plan, out, {})
    measurements = json.loads(out.read_text())["table"]["measurements"]
    assert [entry["contestant"] for entry in measurements] == ["peak", "stage train"]


@pytest.mark.usefixtures("_no_data")
def test_a_disturbed_measurement_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [{"images_per_second": 1.0, "others_share": share} for share in (0.5, 0.01, 0.0)]
    monkeypatch.setattr(runner.Runner, "start", lambda self, *arguments: answers.pop(0))
    measured = runner.Runner(tmp_path, 1.0).run(Case("stage", "vae", "float32", 10))
    assert (measured["others_share"], len(answers)) == (0.01, 1)


# The other parts


def test_search_is_summarised() -> None:
    speeds = {1: (100.0, 110.0, 100.0), 2: (150.0, 187.0, 164.0)}  # ratios 1.5, 1.7, 1.64
    measurements = [
        {"contestant": workers, "model": "vae", "round": number}
        | {"trials_per_hour": speed, "overhead": 0.03 * workers}
        for workers, rounds in speeds.items()
        for number, speed in enumerate(rounds)
    ]
    part = part_search.summarise(measurements, PLAN)
    ratio, one, two = part["bars"]
    assert (ratio["value"], ratio["passed"]) == (pytest.approx(1.64), True)
    assert [(bar["value"], bar["passed"]) for bar in (one, two)] == [(0.03, True), (0.06, False)]
    assert list(part_search.lines(part))[1].split() == [
        "vae,",
        "workers:",
        "1",
        "100",
        "100",
        "110",
    ]


def test_overhead_of_a_search_leaves_out_imports_and_failures() -> None:
    def trial(seconds: float, values: list[float] | None = None) -> SimpleNamespace:
        useful = {"fit_seconds": 8.0, "measure_seconds": 1.0}
        facts = {"genlab.values": useful, "genlab.seconds": seconds}
        return SimpleNamespace(values=values, user_attrs=facts)

    trials = [trial(30.0, [1.0]), trial(20.0, [1.0]), trial(10.0, [1.0]), trial(500.0)]
    assert searching.overhead_share(trials, workers=2) == pytest.approx(0.1)
    assert searching.overhead_share(trials, workers=1) == pytest.approx(1 - 18 / 30)


def test_overhead_is_summarised() -> None:
    off = {"training_seconds": 10.0, "first_call_seconds": 0.0, "fewer": 10}
    pairs = [
        {"contestant": name, "model": "vae", "round": number, **off, "training_seconds": seconds}
        for number in range(2)
        for name, seconds in (("on", 11.0 + 3 * number), ("off", 10.0))
    ]
    part = part_overhead.summarise(pairs, PLAN)
    (bar,) = part["bars"]
    assert (bar["value"], bar["passed"]) == (pytest.approx(0.025), True)
    assert list(part_overhead.lines(part))[1].split() == ["vae", "2.5%", "1.0%", "4.0%"]


def test_scale_is_summarised() -> None:
    measurements = [
        {"contestant": name, "num_images": number, "batch_size": 128, "round": 0}
        | {"images_per_second": speed, "peak_megabytes": 1000.0}
        | {"peak_anonymous_megabytes": 500.0 + 100 * number / 1e6}
        for name in part_scale.VARIANTS
        for number, speed in zip(part_scale.NUM_IMAGES, (100.0, 95.0, 80.0), strict=True)
    ]
    part = part_scale.summarise(measurements, PLAN)
    assert [bar["passed"] for bar in part["bars"]] == [False, False, False]
    assert part["bars"][0]["value"] == pytest.approx(0.8)
    assert part["bars"][2]["value"] == pytest.approx(600 / 501)
    assert len(list(part_scale.lines(part))) == 1 + 6
    fewer = [entry for entry in measurements if entry["num_images"] < 1_000_000]
    assert [bar["value"] for bar in part_scale.summarise(fewer, PLAN)["bars"]] == [None] * 3


def test_metrics_are_summarised() -> None:
    measurements = [
        {"contestant": "distance", "round": number, "seconds": seconds, "others_seconds": 10.0}
        for number, seconds in enumerate((1.0, 2.0, 2.5))
    ]
    measurements += [
        {"contestant": "covariance", "round": 0, "seconds": 3.0, "others_seconds": 2.5},
        {"contestant": "scores", "round": 0, "error": "no memory"},
        {"contestant": "command", "round": 0, "seconds": 61.0},
    ]
    part = part_metrics.summarise(measurements, PLAN)
    assert [bar["value"] for bar in part["bars"]] == [5, None, pytest.approx(1.2), 61]
    assert [bar["passed"] for bar in part["bars"]] == [True, None, True, False]
    assert "not measured" in list(part_metrics.lines(part))[-2]
    assert part_metrics.summarise([], PLAN)["bars"][0]["passed"] is None


def test_serving_shows_the_median_round_and_judges_the_slow_tail() -> None:
    case = {"num_images": 1, "format": "png", "median_seconds": 0.02, "samples_per_second": 40.0}
    measurements: list[dict[str, Any]] = [
        {"contestant": "vae", "round": number, "cases": [case | {"p95_seconds": tail}]}
        for number, tail in enumerate((0.05, 0.3, 0.09))
    ]
    part = part_serving.summarise([*measurements, {"error": "x"}], PLAN)
    assert [(bar["value"], bar["passed"]) for bar in part["bars"]] == [(0.09, True), (None, None)]
    (_, row) = part_serving.lines(part)
    assert row.split() == ["vae,", "1", "as", "png", "20.0", "90.0", "40"]


# Contestants


def test_flop_by_hand() -> None:
    def flop(name: str) -> int:
        return peak.step_flop(workloads.build(name))

    dense = 784 * 500 + 500 * 500 + 500 * 40 + 20 * 500 + 500 * 500 + 500 * 784
    assert flop("vae") == 2 * (3 * dense - 784 * 500)
    encoder = 14 * 14 * 16 * 32 + 7 * 7 * 16 * 32 * 64 + 3136 * 500 + 500 * 40
    decoder = 20 * 3136 + 7 * 7 * 16 * 64 * 32 + 14 * 14 * 16 * 32
    assert flop("convolutional_vae") == 2 * (3 * (encoder + decoder) - 14 * 14 * 16 * 32)
    generator = 64 * 6272 + 7 * 7 * 16 * 128 * 64 + 14 * 14 * 16 * 64
    discriminator = 14 * 14 * 16 * 64 + 7 * 7 * 16 * 64 * 128 + 6272
    in_all = 3 * generator - 64 * 6272 + 8 * discriminator - 2 * 14 * 14 * 16 * 64
    assert flop("gan") == 2 * in_all


def test_the_steady_speed_is_that_of_whole_periods() -> None:
    times = {1: 0.0, 10: 9.0, 20: 10.0, 25: 10.4, 30: 11.0, 31: 50.0}
    rows = [stage.Row(step, at) for step, at in times.items()]
    assert stage.whole_periods(rows, period=10) == (stage.Row(10, 9.0), stage.Row(30, 11.0))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return workloads.write_dataset(tmp_path / "images", 300, num_validation=10)


def test_generated_images_are_a_fetched_data_set(data: Path) -> None:
    train = arrays.read_split(data, "train")
    counts = {"train": 300, "validation": 10, "test": 100}
    assert arrays.read_description(data)["num_images"] == counts
    assert (train.images.shape, train.images.dtype) == ((300, 28, 28, 1), np.uint8)
    assert len(np.unique(train.images.reshape(300, -1), axis=0)) == 300
    assert 0.02 < train.images.mean() / 255 < 0.3


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_the_bare_loop_makes_steps(data: Path, name: str) -> None:
    model = workloads.build(name, batch_size=4)
    step = bare_loop.steps_of(model)
    images = np.float32(arrays.read_split(data, "train").images[:4]) / 255
    losses = [float(step(images, np.array([0, number], np.int32))) for number in range(2)]
    assert np.isfinite(losses).all()
    assert losses[0] != losses[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "variant"),
    [
        ("stage", "validate_every_steps=20+log_every_steps=10"),
        ("bare_loop", ""),
        ("keras_fit", ""),
    ],
)
def test_one_measurement_by_a_real_contestant(
    data: Path, tmp_path: Path, module: str, variant: str
) -> None:
    options = ("--seconds=0.1", "--batch-size=16", f"--variant={variant}")
    measured = runner.Runner(tmp_path, 0.1).start(module, "autoencoder", f"--data={data}", *options)
    assert measured.get("error") is None
    assert measured["images_per_second"] > 0
    assert 0 < measured["first_step_seconds"] < 60
    if module == "stage":
        assert 50 < measured["peak_anonymous_megabytes"] < measured["peak_megabytes"]


@pytest.mark.slow
def test_the_error_of_a_contestant_is_quoted(tmp_path: Path) -> None:
    assert "no-such-model" in runner.Runner(tmp_path, 1.0).start("peak", "--no-such-model")["error"]


@pytest.mark.slow
def test_metrics_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"FEATURE_DIM": 6, "NUM_IMAGES": 50, "SCORED_IMAGES": 300, "TRAIN_IMAGES": 400}
    for name, value in sizes.items():
        monkeypatch.setattr(measuring, name, value)
    assert measuring.distance()["relative_difference"] < 1e-9
    assert set(measuring.covariance()) == {"seconds", "others_seconds"}
    scores = measuring.scores()
    assert 0 < scores["seconds_of_metrics"] < scores["seconds"]
    metrics = [plugins.find("metrics", name, "tests") for name in plugins.names("metrics")]
    asked = [module for module in metrics if module.NEEDS is Samples]
    assert scores["num_scores"] == sum(len(module.MEASURES) for module in asked)
    command = measuring.command()
    assert command["seconds"] > 0
    assert command["num_scores"] > 10


if machine.has_torch():  # not a dependency

    @pytest.mark.parametrize("name", workloads.ENTRIES)
    def test_pytorch_has_the_same_parameters(name: str) -> None:
        from benchmarks import torch_loop

        ours = workloads.build(name)
        theirs = torch_loop.NETWORKS[ours.settings.kind](ours.settings)
        count = sum(math.prod(variable.shape) for variable in ours.trainable_variables)
        assert sum(value.numel() for value in theirs.parameters() if value.requires_grad) == count
