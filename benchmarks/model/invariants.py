"""Rules for each state, each step and each end. A check returns the first broken rule, or "".

I1 no recipient is lost · I2 no copy without a doubt, and none at all under `hold` · I3 all copies are the same bytes ·
I5 nothing is marked after an unsubscribe or a cancellation · I7 an end is always reachable · I8 only what was in doubt
waits for the operator. I4 (no message reaches another recipient), I6 (errors about the sender) and I9 (memory)
need what the model leaves out: composing, the text of replies, and processes.
"""

from collections.abc import Sequence

from benchmarks.model.state import Phase, Rules, State
from benchmarks.model.world import Row, World


def broken_by_step(rules: Rules, before: State, after: State, first_id: int) -> str:
    """Checks what one step changed."""
    for old, new in zip(before.workers, after.workers, strict=True):
        for message in new.wire[len(old.wire) :] if new.phase is not Phase.DEAD else ():
            if before.cancelled or (before.unsubscribed and message.id == first_id):
                return f"I5: {message.id} is sent after its subscriber left or its issue was cancelled"
    for place, copies in enumerate(after.arrived):
        allowed = 1 if rules.hold else 1 + after.doubts[place]
        if len(copies) > allowed:
            return f"I2: {first_id + place} has arrived {len(copies)} times, and {allowed} are allowed"
        if len(set(copies)) > 1:
            return f"I3: the copies of {first_id + place} differ"
    return ""


def broken_in_state(world: World, state: State) -> str:
    """Checks the ledger against what arrived."""
    if world.unexplained(state.rows):
        return "I1: the audit does not add up"
    for row, copies in zip(world.deliveries(state.rows), state.arrived, strict=True):
        if row.state == "accepted" and not copies:
            return f"I1: {row.id} is accepted and did not arrive"
    return ""


def is_end(world: World, state: State) -> bool:
    """True if nothing has to happen any more."""
    ended = all(worker.phase in (Phase.IDLE, Phase.RECOVERED) for worker in state.workers)
    return ended and not any(row.is_open for row in world.deliveries(state.rows))


def broken_at_end(rules: Rules, rows: Sequence[Row], state: State) -> str:
    """Checks what became of each delivery."""
    for place, row in enumerate(rows):
        unwanted = state.cancelled or (state.unsubscribed and place == 0)
        if row.state == "uncertain":
            if not state.doubts[place] and not state.suspended[place]:
                return f"I8: {row.id} waits for the operator, and was never in doubt"
            if not rules.hold and not state.cancelled:
                return f"I8: {row.id} waits for the operator under the policy to resend"
        elif row.state != "accepted" and not unwanted:
            return f"I1: {row.id} ended as {row.state}"
    return ""
