"""The steps that are possible in a state, and the state after each."""

from collections.abc import Iterator, Sequence

from benchmarks.model.ledger import Ledger
from benchmarks.model.state import ClaimName, Phase, Rules, State, Step, Wire, Worker
from digest.mail.delivery.journal import ALL

Next = tuple[str, State]

_DONE = (Phase.IDLE, Phase.RECOVERED)


class Steps:
    """Two workers, the mail server, the scheduler, people and faults."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.ledger = Ledger(rules)
        self.first_id = min(row.id for row in self.ledger.world.deliveries(self.ledger.world.first))

    @property
    def start(self) -> State:
        each, rules = self.rules.messages, self.rules
        nothing = ((),) * each, (0,) * each, (False,) * each
        return State(self.ledger.world.first, (Worker(), Worker()), *nothing, rules.crashes, rules.faults)

    def after(self, state: State) -> Iterator[Next]:
        """Every step and the state after it, which may be the same."""
        for number, worker in enumerate(state.workers):
            name = f"worker {'AB'[number]}"
            if worker.lives:
                yield from self._ledger_steps(state, number, name)
            yield from self._wire_steps(state, number, name)
            yield from self._deaths(state, number, name)
        yield from self._others(state)

    # --- a worker and the ledger ---

    def _ledger_steps(self, state: State, number: int, name: str) -> Iterator[Next]:
        worker = state.workers[number]
        match worker.phase:
            case Phase.IDLE if number == 0 or state.claimed:  # the first to claim may be called A
                yield from self._claims(state, number, name)
            case Phase.CLAIMED:
                yield self._choose(state, number, name)
            case Phase.UNWANTED | Phase.REFUSED:
                rows = self.ledger.skip(state.rows, dict(worker.aside))
                what = "skips or requeues what may not go"
                yield f"{name} {what}", _with(state, number, rows=rows, phase=Phase.READY, aside=())
            case Phase.READY:
                yield from self._windows(state, number, name)
            case Phase.SETTLING:
                rows = self.ledger.settle(state.rows, number)
                yield f"{name} requeues what it still holds", _with(state, number, rows=rows, phase=Phase.CLEARING)
            case Phase.CLEARING:
                after = _with(state, number, phase=Phase.IDLE, journal=(), stalled=False)
                yield f"{name} empties its journal", after

    def _claims(self, state: State, number: int, name: str) -> Iterator[Next]:
        for limit in range(1, self.rules.messages + 1):
            rows, claims = self.ledger.claim(state.rows, number, limit)
            if len(claims) < limit:
                return
            ids = _listed(claims)
            making = (("making", ALL, None),)
            yield (
                f"{name} claims {ids}",
                _with(state, number, rows=rows, phase=Phase.CLAIMED, drafts=claims, journal=making)._replace(
                    claimed=True
                ),
            )
            if state.faults:
                lost = _with(state, number, rows=rows, phase=Phase.SETTLING)
                lost = lost._replace(claimed=True, faults=state.faults - 1)
                yield f"{name} claims {ids}, but the answer to its COMMIT is lost", lost

    def _choose(self, state: State, number: int, name: str) -> Next:
        worker = state.workers[number]
        reasons = self.ledger.choose(state.rows, worker.drafts)
        aside = tuple((claim, reason) for claim, reason in reasons.items() if reason)
        drafts = tuple(claim for claim, reason in reasons.items() if not reason)
        phase = Phase.UNWANTED if aside else Phase.READY
        made = (*worker.journal, ("making", 0, None))
        return f"{name} composes {_listed(drafts)}", _with(
            state, number, phase=phase, drafts=drafts, aside=aside, journal=made
        )

    def _windows(self, state: State, number: int, name: str) -> Iterator[Next]:
        worker = state.workers[number]
        if worker.drafts:
            for size in {1, len(worker.drafts)}:
                yield from self._mark(state, number, name, size)
        else:
            oldest = [message for message in worker.wire if message.window == worker.wire[0].window]
            if all(message.step is Step.ANSWERED for message in oldest):
                for fault, twice in enumerate((False, True)[: 1 + min(state.faults, 1)]):
                    rows = self.ledger.record(state.rows, number, oldest, twice)
                    after = _with(state, number, rows=rows, wire=worker.wire[len(oldest) :])
                    lost = ", twice: the answer to the first COMMIT is lost" if twice else ""
                    ids = _listed([message.claim for message in oldest])
                    yield f"{name} records the replies to {ids}{lost}", after._replace(faults=state.faults - fault)

    def _mark(self, state: State, number: int, name: str, size: int) -> Iterator[Next]:
        worker = state.workers[number]
        window = worker.drafts[:size]
        for fault, twice in enumerate((False, True)[: 1 + min(state.faults, 1)]):
            rows, may_go = self.ledger.mark(state.rows, number, window, twice)
            going = tuple(claim for claim in window if claim[0] in may_go)
            wire = tuple(Wire(claim, self.ledger.fingerprint(claim), len(worker.drafts)) for claim in going)
            refused = tuple(claim for claim in window if claim[0] not in may_go)
            reasons = self.ledger.choose(rows, refused) if refused else {}
            after = _with(
                state,
                number,
                rows=rows,
                phase=Phase.REFUSED if refused else Phase.READY,
                drafts=worker.drafts[size:],
                aside=tuple(reasons.items()),
                wire=(*worker.wire, *wire),
            )
            lost = ", twice: the answer to the first COMMIT is lost" if twice else ""
            yield (
                f"{name} marks {_listed(window)}{lost}; may go: {_listed(going)}",
                after._replace(faults=state.faults - fault),
            )

    # --- a worker and the mail server ---

    def _wire_steps(self, state: State, number: int, name: str) -> Iterator[Next]:
        worker = state.workers[number]
        sends = worker.lives and worker.phase is Phase.READY
        for place, message in enumerate(worker.wire):
            match message.step:
                case Step.MARKED if sends and not worker.stalled:
                    journal = (*worker.journal, ("began", message.id, None))
                    begun = _with(state, number, wire=_put(worker, place, step=Step.BEGUN), journal=journal)
                    yield f"{name} writes {message.id} with its final dot", begun
                case Step.MARKED if sends:
                    late = _put(worker, place, step=Step.ANSWERED, code=0)
                    yield f"{name} does not begin {message.id}: it is too late", _with(state, number, wire=late)
                case Step.BEGUN:
                    taken = _with(state, number, wire=_put(worker, place, step=Step.TAKEN))
                    yield f"the mail server accepts {message.id} of {name}", self._arrive(taken, message)
                    if worker.lives and state.faults:
                        yield self._deferred(state, number, place, name)
                        yield self._connection_ends(state, number, place, name)
                case Step.TAKEN if worker.lives:
                    yield self._answered(state, number, place, name, 250)
                    if state.faults:
                        yield self._connection_ends(state, number, place, name)
                case Step.CUT if sends:
                    yield self._answered(state, number, place, name, None)

    def _answered(self, state: State, number: int, place: int, name: str, code: int | None) -> Next:
        worker = state.workers[number]
        message = worker.wire[place]
        journal = (*worker.journal, ("answered", message.id, code))
        after = _with(state, number, wire=_put(worker, place, step=Step.ANSWERED, code=code), journal=journal)
        what = f"reads the reply {code} to" if code else "notices the lost connection of"
        return f"{name} {what} {message.id}", after

    def _deferred(self, state: State, number: int, place: int, name: str) -> Next:
        label, after = self._answered(state, number, place, name, 451)
        return label, after._replace(faults=state.faults - 1)

    def _connection_ends(self, state: State, number: int, place: int, name: str) -> Next:
        worker = state.workers[number]
        after = _with(state, number, wire=_put(worker, place, step=Step.CUT))._replace(faults=state.faults - 1)
        return f"the connection with {worker.wire[place].id} of {name} is reset", self._doubt(
            after, [worker.wire[place]]
        )

    def _arrive(self, state: State, message: Wire) -> State:
        place = message.id - self.first_id
        copies = (*state.arrived[place], message.sha256)
        return state._replace(arrived=(*state.arrived[:place], copies, *state.arrived[place + 1 :]))

    def _doubt(self, state: State, messages: Sequence[Wire]) -> State:
        doubts = list(state.doubts)
        for message in messages:
            doubts[message.id - self.first_id] += 1
        return state._replace(doubts=tuple(doubts))

    # --- faults ---

    def _deaths(self, state: State, number: int, name: str) -> Iterator[Next]:
        worker = state.workers[number]
        on_the_wire = [message for message in worker.wire if message.step in (Step.BEGUN, Step.TAKEN)]
        if worker.lives and worker.phase is not Phase.IDLE and state.crashes:
            kept = self.rules.without != "journal"
            left = Worker(
                Phase.DEAD if kept else Phase.RECOVERED,
                wire=tuple(message for message in on_the_wire if message.step is Step.BEGUN),
                journal=worker.journal if kept else (),
            )
            after = state._replace(workers=_put_in(state.workers, number, left), crashes=state.crashes - 1)
            yield f"{name} is killed", self._doubt(after, on_the_wire)
        if worker.lives and not worker.stalled and worker.phase in (Phase.CLAIMED, Phase.READY) and state.faults:
            yield f"{name} is suspended for longer than its lease", self._stall(state, number, on_the_wire)
        if not worker.lives:
            rows = self.ledger.world.lapse(state.rows, self.ledger.name(number))
            yield f"the leases of {name} end", state._replace(rows=rows)

    def _stall(self, state: State, number: int, on_the_wire: Sequence[Wire]) -> State:
        worker = state.workers[number]
        rows = self.ledger.world.lapse(state.rows, self.ledger.name(number))
        if self.rules.without == "lease":
            return _with(state, number, rows=rows, stalled=False)._replace(faults=state.faults - 1)
        wire = tuple(message._replace(step=Step.CUT) if message in on_the_wire else message for message in worker.wire)
        marked = {message.id - self.first_id for message in worker.wire if message.step is not Step.ANSWERED}
        suspended = tuple(before or place in marked for place, before in enumerate(state.suspended))
        after = _with(state, number, rows=rows, stalled=True, wire=wire)
        return self._doubt(after._replace(faults=state.faults - 1, suspended=suspended), on_the_wire)

    # --- the scheduler and people ---

    def _others(self, state: State) -> Iterator[Next]:
        world = self.ledger.world
        is_left = any(worker.phase is Phase.DEAD or worker.stalled for worker in state.workers)
        if is_left or world.has_lapsed(state.rows):
            yield self._recover(state)
        if state.unsubscribed + state.cancelled < self.rules.people:
            yield from self._people(state)
        idle = all(worker.phase in _DONE for worker in state.workers)
        if state.cancelled and idle and any(row.is_open for row in world.deliveries(state.rows)):
            yield "the issue is overdue", state._replace(rows=self.ledger.expire(state.rows))

    def _people(self, state: State) -> Iterator[Next]:
        if not state.unsubscribed:
            rows = self.ledger.unsubscribe(state.rows)
            yield f"the subscriber of {self.first_id} unsubscribes", state._replace(rows=rows, unsubscribed=True)
        if not state.cancelled:
            rows = self.ledger.cancel(state.rows)
            yield "the operator cancels the issue", state._replace(rows=rows, cancelled=True)

    def _recover(self, state: State) -> Next:
        found = {
            # Nobody looks into the journal of a worker that lives, unless its leases are over.
            number: (worker.lives, () if worker.lives and not worker.stalled else worker.journal)
            for number, worker in enumerate(state.workers)
            if worker.phase is not Phase.RECOVERED
        }
        rows, left = self.ledger.recover(state.rows, found)
        workers = tuple(
            worker
            if worker.lives or number in left or number not in found
            else worker._replace(phase=Phase.RECOVERED, journal=())
            for number, worker in enumerate(state.workers)
        )
        return "the scheduler recovers what is left behind", state._replace(rows=rows, workers=workers)


def _with(state: State, number: int, rows: int | None = None, **change: object) -> State:
    worker = _settled(state.workers[number]._replace(**change))  # type: ignore[arg-type]
    new_rows = state.rows if rows is None else rows
    return state._replace(rows=new_rows, workers=_put_in(state.workers, number, worker))


def _settled(worker: Worker) -> Worker:
    """Let a worker settle at once when nothing is left to send: a separate step would only multiply states."""
    is_done = worker.phase is Phase.READY and not worker.drafts and not worker.wire
    return worker._replace(phase=Phase.SETTLING) if is_done else worker


def _put_in(workers: tuple[Worker, ...], number: int, worker: Worker) -> tuple[Worker, ...]:
    return (*workers[:number], worker, *workers[number + 1 :])


def _put(worker: Worker, place: int, **change: object) -> tuple[Wire, ...]:
    message = worker.wire[place]._replace(**change)  # type: ignore[arg-type]
    return (*worker.wire[:place], message, *worker.wire[place + 1 :])


def _listed(claims: Sequence[ClaimName]) -> str:
    return " and ".join(str(claim[0]) for claim in claims) or "nothing"
