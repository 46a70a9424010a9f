"""The rate-distortion curve as a figure, where `genlab rate-distortion` has made one."""

from matplotlib.figure import Figure

from genlab.report.collect import RateDistortion
from genlab.report.drawing import ACCENTS, GREY, Chart, draw


def figure(curve: RateDistortion | None) -> Chart | None:
    """Returns distortion over rate, each point with its weight and its 95 % intervals; nothing without a curve."""
    if curve is None:
        return None
    points = curve.points
    bound = min(points["negative_elbo"])

    def paint(drawn: Figure) -> None:
        axes = drawn.add_subplot()
        rates, distortions = points["rate"], points["distortion"]
        ends = [min(rates), max(rates)]
        axes.plot(
            ends,
            [bound - rate for rate in ends],
            "--",
            color=GREY,
            linewidth=1,
            label=f"sum {bound:.1f}",
        )
        axes.errorbar(
            rates,
            distortions,
            xerr=_arms(points, "rate"),
            yerr=_arms(points, "distortion"),
            fmt="o-",
            color=ACCENTS[1],
            markersize=4,
            linewidth=1.2,
        )
        for weight, rate, distortion in zip(points["kl_weight"], rates, distortions, strict=True):
            axes.annotate(
                f"{weight:g}", (rate, distortion), xytext=(6, 4), textcoords="offset points"
            )
        axes.set(xlabel="rate: KL, nats per image", ylabel="distortion, nats per image")
        axes.margins(x=0.1, y=0.1)
        axes.legend(title="numbers: kl_weight", fontsize=8, title_fontsize=8)

    facts = curve.protocol
    ends = ", ".join(
        f"weight {weight:g}: rate {rate:.4g}, distortion {distortion:.4g}"
        for weight, rate, distortion in zip(
            points["kl_weight"], points["rate"], points["distortion"], strict=True
        )
    )
    title = f"{facts.get('model')} on {facts.get('data')}, {facts.get('steps'):,} steps each"
    note = f"{facts.get('num_real'):,} {facts.get('split')} images, {facts.get('intervals')}"
    return Chart(
        **draw(paint, 5.2, 3.6),
        title=title,
        text=f"Rate-distortion curve, nats per image. {ends}.",
        note=note,
    )


def _arms(points: dict[str, list[float]], name: str) -> list[list[float]]:
    """Returns how far an interval reaches below and above its value."""
    low = [
        max(0.0, value - end)
        for value, end in zip(points[name], points[f"{name}_low"], strict=True)
    ]
    return [
        low,
        [
            max(0.0, end - value)
            for value, end in zip(points[name], points[f"{name}_high"], strict=True)
        ],
    ]
