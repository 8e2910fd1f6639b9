from collections.abc import Sequence

from bot.modes import Mode, Recommendation, recommend
from training.scoring import PairScore, Score
from training.settings import TrainingSettings


def scores(correctness: Sequence[float], quoting: float = 0.0) -> list[PairScore]:
    return [
        PairScore(
            pair_id=f"p{number}",
            cluster=f"c{number}",
            question="",
            reference="",
            answer="",
            written=Score(value, None, (), value),
            quoting=Score(quoting, None, (), quoting),
            loss=1.0,
        )
        for number, value in enumerate(correctness)
    ]


def recommended(
    retrieval: Sequence[float],
    fine_tuning: Sequence[float],
    both: Sequence[float],
    quoting: float = 0.0,
) -> Recommendation:
    by_mode = zip(Mode, (retrieval, fine_tuning, both), strict=True)
    return recommend(
        {mode: scores(values, quoting) for mode, values in by_mode}, TrainingSettings()
    )


LOW, MIDDLE, HIGH = [0.1, 0.2, 0.1, 0.15] * 3, [0.3, 0.35, 0.4, 0.3] * 3, [0.8, 0.7, 0.9, 0.8] * 3


def test_the_adapter_is_recommended_with_the_passages_where_it_helps() -> None:
    found = recommended(LOW, LOW, HIGH)
    assert found.mode is Mode.BOTH
    assert "better by +0.66" in found.reason
    assert "quote" not in found.reason


def test_what_may_be_chance_recommends_the_simpler_mode() -> None:
    ups_and_downs = [value + 0.1 * (-1) ** n for n, value in enumerate(MIDDLE)]
    found = recommended(MIDDLE, LOW, ups_and_downs)
    assert found.mode is Mode.RETRIEVAL
    assert "may be chance" in found.reason


def test_answers_by_heart_come_with_a_caution() -> None:
    found = recommended(LOW, HIGH, MIDDLE)
    assert found.mode is Mode.FINE_TUNING
    assert "knows no rights" in found.reason
    assert found.fine_tuning_over_both.low > 0


def test_a_quote_that_does_as_well_is_told_of() -> None:
    found = recommended(LOW, LOW, MIDDLE, quoting=0.7)
    assert found.mode is Mode.BOTH
    assert "let 'auto' quote" in found.reason
    assert found.written_over_quotes.high < 0


def test_too_few_questions_judge_nothing() -> None:
    found = recommended(LOW[:2], LOW[:2], HIGH[:2])
    assert found.mode is Mode.RETRIEVAL
    assert found.reason == "2 questions can't judge; 6 are needed."
