"""Several judges and several trainings on the page: who is better, and who disagrees."""

from typing import Any

import pytest
from report_workspace import PRIOR, distance
from test_ranking import laboratory, model, models

from genlab.contract import comparison
from genlab.contract.score import Score
from genlab.report import opinions, trainings, words
from genlab.report.laboratory import ReportedModel
from genlab.report.ranking import rank


def seen(**judges: float) -> dict[str, Any]:
    """The score of a mean over judges, with a narrow interval."""
    value = sum(judges.values()) / len(judges)
    return distance(value, judges=judges, interval=[value - 0.1, value + 0.1])


AGREED = [seen(dense=4.0, patches=6.0), seen(dense=5.0, patches=9.0)]
DISPUTED = [seen(dense=4.0, patches=6.0), seen(dense=3.5, patches=9.0)]


@pytest.mark.parametrize(
    ("scores", "best", "disputed"),
    [(AGREED, ["a"], {}), (DISPUTED, ["a", "b"], {"b": ["dense"]})],
)
def test_models_are_told_apart_where_judges_agree(scores: Any, best: Any, disputed: Any) -> None:
    ranking = rank(models(*scores), PRIOR)
    assert (ranking.best, ranking.disputed) == (best, disputed)


def test_page_names_the_judges_who_disagree() -> None:
    (text,) = [
        one.text
        for one in words.summary(laboratory(models(*DISPUTED)))
        if one.topic == "Prior samples"
    ]
    assert "a has the best mean over the judges, but b is not worse for dense" in text


def test_promotion_needs_all_judges() -> None:
    mine, theirs = map(Score.from_json, DISPUTED)
    assert comparison.objection(mine, theirs).endswith("but not for the judges dense")
    assert comparison.objection(*map(Score.from_json, AGREED)) == ""


def test_order_without_each_judge() -> None:
    """The means are 5 and 6.25; without the patches they are 4 and 3.5."""
    (shown,) = opinions.tables(models(*DISPUTED))
    assert (shown.models, shown.is_stable) == (["a", "b"], False)
    assert [row[2] for row in shown.rows] == ["a, b", "b, a"]
    assert [row[1] for row in shown.rows] == [["4.00", "3.50"], ["6.00", "9.00"]]
    (shown,) = opinions.tables(models(*AGREED))
    assert shown.is_stable
    assert shown.spreads == ["28%", "40%"]
    assert opinions.tables(models(distance(4.0), distance(5.0))) == []


def three(*values: float) -> ReportedModel:
    first, *others = ({PRIOR: Score.from_json(seen(one=v, other=v + 2))} for v in values)
    own = model("a", {})
    return ReportedModel("a", own.settings, trainings.joined(first, others))


def test_several_trainings_have_a_mean_and_student_interval() -> None:
    """4.30265 is the quantile of Student's distribution with 2 degrees of freedom."""
    several = three(1.0, 2.0, 6.0)
    score = several.scores[PRIOR]
    margin = 4.30265 * 7**0.5 / 3**0.5
    assert (score.value, score.trainings) == (4.0, (2.0, 3.0, 7.0))
    assert score.interval == pytest.approx((4 - margin, 4 + margin), rel=1e-5)
    assert score.judges == {"one": 3.0, "other": 5.0}
    assert several.num_trainings == 3
    text = words.summary(laboratory([several]))[0].text
    assert text.startswith("Each model was trained 3 times: values are means")


def test_trainings_of_another_protocol_are_left_out() -> None:
    first, other = (Score.from_json(distance(v, protocol={"seed": v})) for v in (1.0, 2.0))
    assert trainings.joined({PRIOR: first}, [{PRIOR: other}]) == {PRIOR: first}
    assert trainings.joined({PRIOR: first}, [{}])[PRIOR].trainings == ()
