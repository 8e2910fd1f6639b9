"""What may train is decided by who may read the sources tonight, not by who could then."""

import random
from dataclasses import replace
from functools import partial

from bot.curation import still_open
from ingestion.documents import EVERYONE, DocumentState, hash_of
from tests.training.night_pairs import make_pair
from training.pairs import TrainingPairs
from training.records import SourceRecord


def state(document_id: str, acl: list[str]) -> DocumentState:
    return DocumentState(document_id, "docs", "p.md", "c", hash_of(acl), 1, complete=True)


def says(unchanged: set[str], source: SourceRecord) -> bool:
    return source.document_id in unchanged


def test_pairs_of_pages_that_were_closed_or_removed_leave_both_sides() -> None:
    chance = random.Random(7)
    documents = [f"docs:{n}.md" for n in range(12)]
    acls = [[EVERYONE], ["hr"], [], ["alice", "hr"]]
    for _ in range(200):
        readers = {d: chance.choice(acls) for d in documents if chance.random() < 0.8}
        pairs = []
        for number in range(30):
            pair = make_pair(number)
            cited = chance.sample(documents, chance.randint(1, 3))
            sources = tuple(replace(pair.sources[0], document_id=d) for d in cited)
            pairs.append(replace(pair, sources=sources))
        chosen = TrainingPairs(tuple(pairs[:20]), tuple(pairs[20:]), ())
        states = {d: state(d, acl) for d, acl in readers.items()}
        unchanged = set(chance.sample(documents, 9))
        kept = still_open(chosen, states, partial(says, unchanged))
        fine = {d for d, acl in readers.items() if acl == [EVERYONE]} & unchanged
        open_pairs = {p.id for p in pairs if {s.document_id for s in p.sources} <= fine}
        assert {p.id for p in kept.train + kept.held_out} == open_pairs
        assert {p.id for p, reason in kept.removed if reason} == {p.id for p in pairs} - open_pairs
