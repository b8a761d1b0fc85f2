"""Where each batch is, and what happens to it when a replica is lost (docs/protocol.md, "Delivery")."""

from __future__ import annotations

from stream.services.delivery import Peer
from stream.services.dispatch import Dispatcher, Replica

ONE, TWO, OTHER = Peer("seeds.0", 1), Peer("seeds.1", 2), Peer("score:m.0", 3)


def dispatcher(credit: int = 2) -> Dispatcher:
    made = Dispatcher(["seeds", "score:m"], resend_after_s=2.0)
    for stage, peer in (("seeds", ONE), ("seeds", TWO), ("score:m", OTHER)):
        made.join(stage, Replica(peer, ("bx",), credit, heard=0.0))
    return made


def sent(made: Dispatcher) -> list[tuple[Peer, int]]:
    return [(replica.peer, sequence) for replica, sequence in made.assignments()]


def test_every_batch_goes_to_one_replica_of_every_stage_under_credits() -> None:
    made = dispatcher()
    for sequence in range(6):
        made.add(sequence, 0.0)
    first = sent(made)
    assert sorted(s for peer, s in first if peer in (ONE, TWO)) == [0, 1, 2, 3]
    assert [s for peer, s in first if peer == OTHER] == [0, 1]
    assert sent(made) == []
    made.done(OTHER, 0)
    made.done(OTHER, 0)
    assert sent(made) == [(OTHER, 2)]


def test_what_a_lost_replica_held_goes_to_others_first_and_in_order() -> None:
    made = dispatcher(credit=3)
    for sequence in range(8):
        made.add(sequence, 0.0)
    held = sorted(s for peer, s in sent(made) if peer == ONE)
    assert made.lose(ONE)
    assert not made.lose(ONE)
    for _, sequence in [(TWO, s) for s in made.stages["seeds"].replicas[TWO].in_flight]:
        made.done(TWO, sequence)
    assert [s for peer, s in sent(made) if peer == TWO] == held


def test_a_decision_frees_what_a_lost_message_would_have_freed() -> None:
    made = dispatcher(credit=1)
    made.add(0, 0.0)
    made.add(1, 0.0)
    made.add(2, 0.0)
    sent(made)
    made.decided(0, 1.0)
    made.decided(0, 1.0)
    assert made.undecided == 2
    assert (OTHER, 1) in sent(made)


def test_overdue_batches_are_sent_again_less_and_less_often() -> None:
    made = dispatcher()
    made.add(0, 0.0)
    sent(made)
    late = [now for now in range(40) if made.overdue(float(now))]
    assert late == [3, 8, 17, 34]
    made.resend([0])
    assert len(sent(made)) == 2


def test_a_batch_decided_while_it_waits_is_not_sent() -> None:
    made = dispatcher(credit=1)
    for sequence in range(3):
        made.add(sequence, 0.0)
    sent(made)
    made.decided(2, 1.0)
    for peer in (ONE, TWO, OTHER):
        for sequence in range(2):
            made.done(peer, sequence)
    assert [s for peer, s in sent(made) if peer == OTHER] == [1]


def test_a_new_combiner_begins_with_what_is_not_committed() -> None:
    made = dispatcher(credit=9)
    for sequence in range(4):
        made.add(sequence, 0.0)
    sent(made)
    made.decided(0, 1.0)
    made.decided(1, 1.0)
    made.rewind([1, 2, 3], [], 2.0)
    assert made.undecided == 3
    assert sorted(s for peer, s in sent(made) if peer == OTHER) == [1, 2, 3]
