"""What neighbours say of a mention, against the rule written out."""

import math

import numpy as np
import pytest
from unit_vectors import unit

from ner_retriever_rag.candidates.mention_table import draw_lots
from ner_retriever_rag.encoder.calibration import Calibration
from ner_retriever_rag.ranking import votes
from ner_retriever_rag.ranking.votes import Wanted, ranks_that_vote
from ner_retriever_rag.schema import BackgroundSample

DIM = 16


@pytest.fixture
def calibration():
    rng = np.random.default_rng(0)
    return Calibration(unit(rng.standard_normal((50, DIM))), (8.0, 0.5), (0.0, 0.0, 0.0, 0.0, 1.0))


@pytest.fixture
def query():
    return unit(np.eye(DIM)[0])


def around(centre, n, spread, seed):
    rng = np.random.default_rng(seed)
    return unit(centre + spread * rng.standard_normal((n, DIM)))


def drawn(n):
    return draw_lots([(f"document {i}", (0, 4)) for i in range(n)])


def voted(calibration, query, vectors, similarities, crowd=None, wanted=None):
    lots = drawn(len(vectors))
    crowd = crowd or BackgroundSample(len(vectors), lots, vectors)  # all of it was drawn
    return votes.voted(calibration, query, vectors, similarities, lots, crowd, wanted)


def by_hand(calibration, query, vectors, similarities):
    """The rule, one mention at a time, where all mentions vote."""
    odds = calibration.log_odds(query, similarities)
    best = sorted(odds)[::-1][: max(1, min(10, len(odds) // 100))]
    level = sum(best) / len(best)
    evidence = level + votes.BREADTH * float((calibration.background @ query).mean())
    there = min(1, max(0, (evidence - votes.NONE_THERE) / (votes.SOME_THERE - votes.NONE_THERE)))
    counted = []
    for i, own in enumerate(odds):
        p = 1 / (1 + math.exp(-own))
        yes, no = votes.OWN_VOICE * p, votes.OWN_VOICE * (1 - p)
        for j, other in enumerate(odds):
            if i != j:
                voice = math.exp((float(vectors[i] @ vectors[j]) - 1) / votes.WIDTH)
                p = 1 / (1 + math.exp(-other))
                yes, no = yes + voice * p, no + voice * (1 - p)
        for elsewhere in calibration.background[: votes.BACKGROUND]:
            voice = math.exp((float(vectors[i] @ elsewhere) - 1) / votes.WIDTH)
            voice *= votes.ITS_VOICE * max(0, 1 - len(odds) / votes.FEW)
            p = float(calibration.probability(query, elsewhere @ query))
            yes, no = yes + voice * p, no + voice * (1 - p)
        vote = math.log(yes) - math.log(no)
        more = votes.RAISE_MORE * max(0, math.log(len(odds) / votes.MANY))
        raised = there * (votes.RAISE - votes.RAISE_LESS * level + more)
        counted.append(votes.OWN_PART * own + vote + raised)
    return calibration.similarities(query, np.array(counted))


@pytest.mark.parametrize("n", [1, 2, 9, 300])
def test_votes_follow_the_stated_rule(calibration, query, n):
    vectors = around(query, n, 0.4, seed=n)
    similarities = vectors @ query
    expected = by_hand(calibration, query, vectors, similarities)
    found = voted(calibration, query, vectors, similarities)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.fixture
def unsure(calibration, query, monkeypatch):
    """Bounds between which the evidence of given mentions lies, at a share of the way."""

    def between(similarities, best, share):
        odds = np.sort(calibration.log_odds(query, similarities))[-best:]
        evidence = odds.mean() + votes.BREADTH * float((calibration.background @ query).mean())
        monkeypatch.setattr(votes, "NONE_THERE", evidence - 3 * share)
        monkeypatch.setattr(votes, "SOME_THERE", evidence + 3 * (1 - share))

    return between


@pytest.mark.parametrize("share", [-0.5, 0.1, 0.5, 0.9, 1.5])
def test_where_the_best_are_unsure_less_is_raised(calibration, query, unsure, share):
    vectors = around(query, 40, 0.4, seed=5)
    similarities = vectors @ query
    unsure(similarities, 1, share)
    found = voted(calibration, query, vectors, similarities)
    assert found == pytest.approx(by_hand(calibration, query, vectors, similarities), abs=1e-4)


def test_how_sure_the_best_are_is_said_by_ten_of_them_at_most(
    calibration, query, unsure, monkeypatch
):
    monkeypatch.setattr(votes, "VOTERS", 1_200)  # all, as in the rule written out
    vectors = around(query, 1_100, 0.5, seed=6)
    similarities = (vectors @ query) ** 9  # few are near, and the eleventh is not the tenth
    similarities *= 0.55 / similarities.max()
    unsure(similarities, 10, 0.5)
    found = voted(calibration, query, vectors, similarities)
    assert found == pytest.approx(by_hand(calibration, query, vectors, similarities), abs=1e-4)


def test_it_makes_no_difference_how_many_are_voted_on_at_once(calibration, query, monkeypatch):
    monkeypatch.setattr(votes, "_TOGETHER", 7)
    vectors = around(query, 100, 0.4, seed=7)
    similarities = vectors @ query
    found = voted(calibration, query, vectors, similarities)
    assert found == pytest.approx(by_hand(calibration, query, vectors, similarities), abs=1e-4)


def test_the_company_of_a_mention_decides(calibration, query):
    far = unit(np.eye(DIM)[0] + 2 * np.eye(DIM)[1])
    rivers, lakes = around(query, 40, 0.12, seed=1), around(far, 60, 0.1, seed=2)
    vectors = np.concatenate([rivers, lakes])
    similarities = vectors @ query
    least, most = similarities[:40].argmin(), 40 + similarities[40:].argmax()
    similarities[most] = similarities[least] + 0.01  # a lake a little nearer than a river
    found = voted(calibration, query, vectors, similarities)
    assert found[least] > found[most]


def test_a_mention_alone_speaks_for_itself(calibration, query, monkeypatch):
    monkeypatch.setattr(votes, "FEW", 0)  # and nobody else does
    similarity = np.array([0.1], dtype=np.float32)  # unlikely: nothing is raised
    odds = calibration.log_odds(query, similarity)
    assert odds + votes.BREADTH * calibration.breadth(query) < votes.NONE_THERE
    found = voted(calibration, query, query[None], similarity)
    assert calibration.log_odds(query, found) == pytest.approx(1.5 * odds, rel=1e-4)


def test_of_a_broad_type_less_sure_mentions_are_enough(calibration, query, monkeypatch):
    monkeypatch.setattr(votes, "FEW", 0)  # the background only says how broad it is

    def counted(breadth):
        moved = calibration.moved(lambda rows: unit(rows + breadth * query))
        vectors = around(query, 40, 0.4, seed=5)
        like = moved.similarities(query, np.full(40, 1.0))  # as sure of it as of the other type
        return moved.breadth(query), moved.log_odds(query, voted(moved, query, vectors, like))

    (narrow, low), (broad, high) = counted(-1.0), counted(1.0)
    assert narrow < 0 < broad
    assert high == pytest.approx(low + votes.RAISE - votes.RAISE_LESS, rel=1e-3)


def test_in_a_few_texts_mentions_of_all_kinds_vote_too(calibration, query, monkeypatch):
    lake = unit(np.eye(DIM)[0] + 3 * np.eye(DIM)[1])
    river = unit(np.eye(DIM)[0] + np.eye(DIM)[1])  # its only neighbour in the index
    vectors = np.stack([river, lake])
    lakes = calibration.moved(lambda rows: np.tile(lake, (len(rows), 1)))
    monkeypatch.setattr(lakes, "_new_line", calibration._new_line)  # as likely as before

    def odds():
        found = voted(lakes, query, vectors, vectors @ query)
        return calibration.log_odds(query, found)

    among_lakes = odds()
    monkeypatch.setattr(votes, "FEW", 2)  # two are not few any more
    by_themselves = odds()
    assert among_lakes[0] > 0 > among_lakes[1]
    assert by_themselves[1] > among_lakes[1] + 2


def test_nothing_gives_nothing(calibration, query):
    empty = np.zeros(0, dtype=np.float32)
    assert len(voted(calibration, query, np.zeros((0, DIM), np.float32), empty)) == 0


@pytest.mark.parametrize("limit", ["LAST", "HOPELESS"])
def test_of_those_not_voted_on_is_said_what_is_said_of_the_last(
    calibration, query, monkeypatch, limit
):
    vectors = around(query, 400, 0.5, seed=3)
    similarities = vectors @ query
    odds, ranking = calibration.log_odds(query, similarities), np.argsort(-similarities)
    every = voted(calibration, query, vectors, similarities)
    monkeypatch.setattr(votes, limit, 200 if limit == "LAST" else float(odds[ranking[200]]))
    found = voted(calibration, query, vectors, similarities)
    judged, rest = ranking[:200], ranking[200:]
    if limit == "HOPELESS":  # the same voters
        assert found[judged] == pytest.approx(every[judged], abs=1e-5)
    assert np.median(found[judged]) > found[rest].max()
    assert (np.diff(found[rest]) <= 0).all()


def test_the_last_are_a_tenth_of_those_voted_on(calibration, query, monkeypatch):
    similarities = np.linspace(0.5, -0.5, 200, dtype=np.float32)
    odds = calibration.log_odds(query, similarities)
    monkeypatch.setattr(votes, "HOPELESS", float(odds[100]))
    monkeypatch.setattr(votes, "FEW", 0)  # no background
    for limit in ("NONE_THERE", "SOME_THERE"):  # all is raised
        monkeypatch.setattr(votes, limit, getattr(votes, limit) - 1_000)
    # The first keep apart; those after are one crowd, most of which nobody votes on.
    vectors = np.concatenate([around(query, 89, 0.1, seed=4), around(-query, 111, 0.1, seed=8)])
    voters = votes._Voters.elect(np.arange(200), vectors, odds, drawn(200))
    said = np.median(voters.log_odds(np.arange(100), vectors[:100], odds[:100])[-11:])
    assert odds[199] < said < odds[100]
    expected = votes.OWN_PART * odds + np.minimum(odds, said)
    expected += votes.RAISE - votes.RAISE_LESS * odds[:2].mean()
    found = calibration.log_odds(query, voted(calibration, query, vectors, similarities))
    assert found[100:] == pytest.approx(expected[100:], abs=1e-4)


def test_after_the_last_rank_the_crowd_votes_as_each_would(calibration, query, monkeypatch):
    vectors = around(query, 600, 0.5, seed=9)
    similarities = vectors @ query
    every = by_hand(calibration, query, vectors, similarities)
    monkeypatch.setattr(votes, "LAST", 200)
    monkeypatch.setattr(votes, "CROWD_VOICE", 1.0)
    best = np.argsort(-similarities)[:200]
    found = voted(calibration, query, vectors, similarities)
    assert found[best] == pytest.approx(every[best], abs=1e-4)
    # A third of it, and nobody twice: each for three, so that as much is said by all.
    lots = drawn(600)
    some = np.argsort(lots)[:200]
    crowd = BackgroundSample(600, lots[some], vectors[some])
    third = voted(calibration, query, vectors, similarities, crowd)
    alone = voted(
        calibration, query, vectors, similarities, BackgroundSample(200, lots[:0], vectors[:0])
    )
    odds = [calibration.log_odds(query, each[best]) for each in (found, third, alone)]
    assert np.abs(odds[1] - odds[0]).mean() < 0.1
    assert (odds[2] - odds[0]).mean() > 0.5  # without the crowd all are likelier


@pytest.mark.parametrize("n", [1, 256, 1_024, 1_025, 3_000, 10_000])
def test_voters_stand_for_all_ranks(n):
    ranks, weights = ranks_that_vote(drawn(n))
    assert len(ranks) == len(weights) == min(n, votes.VOTERS)
    assert weights.sum() == pytest.approx(n)
    assert (np.diff(ranks) > 0).all()
    first = min(n, votes.FIRST)
    assert ranks[:first].tolist() == list(range(first))
    if n <= votes.VOTERS:
        assert (weights == 1).all()
    assert ranks[-1] < n
    assert (np.diff(weights[first:]) >= 0).all()
    assert (weights[first:] > 0.99).all()  # scaled, so that the sum is right


def test_lots_are_even_and_a_mentions_own():
    some = np.sort(drawn(10_000))
    assert 0 < some[0] <= some[-1] <= 1
    assert some == pytest.approx(np.linspace(0, 1, 10_000), abs=0.02)
    places = [("a", (0, 4)), ("a", (5, 9)), ("b", (0, 4)), ("a", (0, 5))]
    lots = draw_lots(places)
    assert len(set(lots.tolist())) == 4
    np.testing.assert_array_equal(draw_lots(places[::-1]), lots[::-1])


def test_where_others_are_missing_the_same_vote():
    every = drawn(10_000)
    there = np.random.default_rng(1).random(10_000) > 0.05
    ranks, _ = ranks_that_vote(every)
    fewer, _ = ranks_that_vote(every[there])
    again = np.flatnonzero(there)[fewer]
    assert len(np.intersect1d(again, ranks)) > 0.93 * votes.VOTERS


def test_those_that_are_wanted_are_voted_on_as_all_are(calibration, query):
    vectors = around(query, 8_000, 0.5, seed=4)
    similarities = vectors @ query
    every = voted(calibration, query, vectors, similarities)
    may = np.arange(8_000) % 3 > 0
    found = voted(calibration, query, vectors, similarities, wanted=Wanted(may, 300))
    best = np.flatnonzero(may)[np.argsort(-similarities[may])[:300]]
    # What is said of the others is a median of fewer, and moves nothing here.
    assert found[best] == pytest.approx(every[best], abs=1e-5)
    rest = np.setdiff1d(np.flatnonzero(may), best)
    assert (found[rest] <= found[best].max()).all()
