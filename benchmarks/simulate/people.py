"""The acts of subscribers and operators during a run, through the product's functions, and their effects."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from benchmarks.simulate.installation import DAY, DOMAINS, KEYS, SUBSCRIBERS, Version, address, key_of, preferences_of
from benchmarks.simulate.staff import Staff
from benchmarks.simulate.world import Process, World
from digest import clock
from digest.database.engine import DATABASE_AWAY
from digest.issues.first_issue import confirm
from digest.issues.publish import halt
from digest.ledger.kinds import IssueStatus
from digest.mail import pauses
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import Consent

_BUSY = 900.0  # seconds in which things happen; most messages are due in the first of them


@dataclass(slots=True)
class Facts:
    """The events of a run, by simulated second; the judge compares the ledger and the server's log with them."""

    ended: dict[str, float] = field(default_factory=dict)  # by key: unsubscribed or erased
    erased: dict[str, float] = field(default_factory=dict)
    paused: dict[str, float] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)  # keys of those who asked for an email
    confirmed: dict[str, float] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)  # by key
    cancelled: float | None = None
    stops: list[tuple[str, float, float]] = field(default_factory=list)  # what was paused, from and until
    counts: Counter[str] = field(default_factory=Counter)


class People:
    """Does what was planned, each act in a web process of its own, which may die as well."""

    def __init__(self, world: World, staff: Staff, seed: int) -> None:
        self._world, self._staff, self._rng = world, staff, Random(seed)
        self.facts = Facts(emails={key_of(address(number)): address(number) for number in range(1, SUBSCRIBERS + 1)})
        self.pending = 0
        self._acts = 0
        self._first_due = 0.0

    def plan(self, first_due: float) -> None:
        """Choose what happens, and when, from a minute before the first messages are due."""
        rng, self._first_due = self._rng, first_due
        numbers = rng.sample(range(1, SUBSCRIBERS + 1), 8)
        acts = [self._unsubscribe, self._erase, self._pause, self._change, self._ask_for_link, self._unsubscribe]
        for number in numbers[: rng.randint(2, 8)]:
            act = rng.choice(acts)
            self._at(self._moment(), act.__name__, lambda act=act, number=number: act(number))  # type: ignore[misc]
        for number in range(rng.choice((1, 2, 3))):
            self._at(self._moment(), "_subscribe", lambda number=number: self._subscribe(100 + number))  # type: ignore[misc]
        for operate in rng.sample(self._operator_acts(), rng.choice((0, 1, 1, 2, 3))):
            operate(self._moment())

    def _moment(self) -> float:
        rng = self._rng
        return self._first_due + rng.choice((rng.uniform(0.0, 3.0), rng.uniform(0.0, 60.0), rng.uniform(0.0, _BUSY)))

    def _at(self, seconds: float, name: str, act: Callable[[], None]) -> None:
        self.pending += 1
        self._world.after(seconds, lambda: self._start(name.strip("_"), act))

    def _start(self, name: str, act: Callable[[], None]) -> None:
        """Do it in a process; whoever gets no answer tries again."""
        self._acts += 1
        world = self._world

        def program() -> None:
            while True:
                try:
                    act()
                    break
                except DATABASE_AWAY:
                    process.sleep(5.0)
            self.facts.counts[name] += 1
            self._staff.hint(1)

        def ended(process: Process) -> None:
            if process.killed_at:
                world.after(3.0, lambda: self._start(name, act))
            else:
                self.pending -= 1

        process = Process(world, f"web-{self._acts}", ended)
        process.at_death.append(lambda: self._staff.setup.database.leave(process))
        world.processes.append(process)
        world.note(f"web-{self._acts}: {name}")
        process.start(program)

    # --- subscribers ---

    @property
    def _engine(self):  # type: ignore[no-untyped-def]
        return self._staff.setup.database.engine

    def _unsubscribe(self, number: int) -> None:
        goodbye = number % 2 == 0
        subscriptions.unsubscribe(self._engine, number, clock.now(), "link", goodbye)
        self.facts.ended.setdefault(key_of(address(number)), self._world.elapsed)

    def _erase(self, number: int) -> None:
        subscriptions.erase(self._engine, number, clock.now())
        key = key_of(address(number))
        self.facts.ended.setdefault(key, self._world.elapsed)
        self.facts.erased.setdefault(key, self._world.elapsed)

    def _pause(self, number: int) -> None:
        wanted = preferences_of(number)
        paused = type(wanted)(language=wanted.language, hour=wanted.hour, paused_until=DAY + timedelta(days=9))
        if subscriptions.change_preferences(self._engine, number, paused, clock.now()):
            self.facts.paused.setdefault(key_of(address(number)), self._world.elapsed)

    def _change(self, number: int) -> None:
        wanted = preferences_of(number)
        changed = type(wanted)(language=wanted.language, hour=wanted.hour, papers=2, keywords=("paper",))
        subscriptions.change_preferences(self._engine, number, changed, clock.now())

    def _ask_for_link(self, number: int) -> None:
        subscriptions.mail_link(self._engine, address(number), clock.now(), KEYS[0])
        self.facts.asked.add(key_of(address(number)))

    def _subscribe(self, number: int) -> None:
        """A stranger signs up, and confirms once the email has come."""
        email = address(number)
        self.facts.emails[key_of(email)] = email
        consent = Consent(clock.now(), requested_from="", form="simulation")
        subscriptions.subscribe(self._engine, email, consent, KEYS[0])
        self.facts.asked.add(key_of(email))
        self._at(self._rng.uniform(20.0, 200.0), "_confirm", lambda: self._confirm(email))

    def _confirm(self, email: str) -> None:
        setup, key = self._staff.setup, key_of(email)
        got = any(copy.recipient == email and copy.is_accepted for copy in setup.server.log.copies)
        row = setup.database.raw.execute("SELECT id FROM subscribers WHERE key = ?", (key,)).fetchone()
        if got and row and confirm(self._engine, row[0], "", clock.now()):
            self.facts.confirmed.setdefault(key, self._world.elapsed)

    # --- operators ---

    def _operator_acts(self) -> list[Callable[[float], None]]:
        return [
            self._stop_issue,
            self._cancel_issue,
            self._stop_everything,
            self._stop_domain,
            self._upgrade,
            self._rotate_keys,
            self._freeze_worker,
            self._freeze_worker,
            self._outage,
            self._move_clock,
            self._wrong_security,
        ]

    def _stop(self, at: float, name: str, stop: Callable[[], object], resume: Callable[[], object]) -> None:
        seconds = self._rng.choice((5.0, 60.0, 1_000.0, 9_000.0))
        began: list[float] = []

        def start() -> None:
            stop()
            if not began:
                began.append(self._world.elapsed)
                self._at(seconds, f"resume {name}", end)  # not before the pause is stored, however long that took

        def end() -> None:
            if began:  # not again if it gets no answer
                self.facts.stops.append((name, began.pop(), self._world.elapsed))
            resume()

        self._at(at, f"stop {name}", start)

    def _stop_issue(self, at: float) -> None:
        self._stop(
            at,
            "issue",
            lambda: halt(self._engine, DAY, IssueStatus.PAUSED, clock.now()),
            lambda: self.facts.cancelled or halt(self._engine, DAY, IssueStatus.RUNNING, clock.now()),
        )

    def _cancel_issue(self, at: float) -> None:
        if self._rng.random() < 0.3:

            def cancel() -> None:
                if halt(self._engine, DAY, IssueStatus.CANCELLED, clock.now()) is not None:
                    self.facts.cancelled = self.facts.cancelled or self._world.elapsed

            self._at(at, "cancel", cancel)

    def _stop_everything(self, at: float) -> None:
        self._stop(
            at,
            pauses.EVERYTHING,
            lambda: pauses.pause_by_hand(self._engine, pauses.EVERYTHING, "maintenance", clock.now()),
            lambda: pauses.resume(self._engine, pauses.EVERYTHING, clock.now()),
        )

    def _stop_domain(self, at: float) -> None:
        domain = self._rng.choice(DOMAINS)
        self._stop(
            at,
            domain,
            lambda: pauses.pause_by_hand(self._engine, domain, "they asked for it", clock.now()),
            lambda: pauses.resume(self._engine, domain, clock.now()),
        )

    def _upgrade(self, at: float) -> None:
        now = self._staff.setup
        self._at(at, "upgrade", lambda: self._staff.upgrade(Version(2, now.version.keys)))

    def _rotate_keys(self, at: float) -> None:
        now = self._staff.setup
        self._at(at, "rotate keys", lambda: self._staff.upgrade(Version(now.version.templates, 2)))

    def _freeze_worker(self, at: float) -> None:
        seconds = self._rng.choice((3.0, 30.0, 400.0, 1_500.0, 5_000.0))

        def freeze() -> None:
            if workers := self._staff.workers():
                self._rng.choice(workers).freeze(seconds)

        self._at(at, "freeze", freeze)

    def _outage(self, at: float) -> None:
        server = self._staff.setup.server

        def begin() -> None:
            server.is_away = True

        def end() -> None:
            server.is_away = False

        self._at(at, "outage", begin)
        self._at(at + self._rng.choice((20.0, 600.0, 4_000.0)), "end of outage", end)

    def _move_clock(self, at: float) -> None:
        file = self._staff.setup.installation.folder / "clock"
        seconds = self._rng.choice((-3_600.0, -60.0, 60.0, 3_600.0, 86_400.0 / 4))

        def move() -> None:
            clock.move_to(clock.now() + timedelta(seconds=seconds), file)
            os.environ[clock.CLOCK_FILE] = str(file)  # until then nobody has to look for it

        self._at(at, "move the clock", move)

    def _wrong_security(self, at: float) -> None:
        """Settings that demand STARTTLS of a server that offers none; mended later."""
        setup = self._staff.setup

        def set_to(wants_tls: bool) -> None:
            setup.wants_tls = wants_tls
            self._staff.stop_workers()

        self._at(at, "demand STARTTLS", lambda: set_to(True))
        self._at(at + self._rng.choice((60.0, 2_000.0)), "demand no STARTTLS", lambda: set_to(False))
