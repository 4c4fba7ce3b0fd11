"""Explores every state breadth first, so that the first broken rule comes with the shortest way to it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.model.invariants import broken_at_end, broken_by_step, broken_in_state, is_end
from benchmarks.model.state import Rules, State
from benchmarks.model.steps import Steps

_EVERY = 20_000  # states between two lines of progress


@dataclass(slots=True)
class Found:
    """The extent of a search, and the shortest way to a broken rule."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    ends: int = 0
    databases: int = 0
    broken: str = ""
    trace: list[str] = field(default_factory=list)


class Search:
    """One search under some rules."""

    def __init__(self, rules: Rules, report: Callable[[str], None] = lambda _: None) -> None:
        self._rules = rules
        self._report = report
        self._steps = Steps(rules)
        self._numbers: dict[State, int] = {}
        self._came_from: list[tuple[int, str]] = []  # of each state: the one before it, and the step
        self._before: list[list[int]] = []  # of each state: all states that lead to it
        self._found = Found()

    def run(self) -> Found:
        """Search until a rule is broken or every state is known."""
        try:
            self._explore()
            self._found.databases = self._steps.ledger.world.databases
        finally:
            self._steps.ledger.world.close()
        return self._found

    def _explore(self) -> None:
        found, world = self._found, self._steps.ledger.world
        waiting = deque([(self._steps.start, 0)])
        self._number(self._steps.start, -1, "")
        ends: list[int] = []
        while waiting:
            state, found.depth = waiting.popleft()
            number = self._numbers[state]
            if is_end(world, state):
                ends.append(number)
                if broken := broken_at_end(self._rules, world.deliveries(state.rows), state):
                    return self._break(broken, number)
            for label, after in self._steps.after(state):
                if after == state:
                    continue
                found.transitions += 1
                if broken := broken_by_step(self._rules, state, after, self._steps.first_id) or broken_in_state(
                    world, after
                ):
                    return self._break(broken, number, label)
                if after not in self._numbers:
                    self._number(after, number, label)
                    waiting.append((after, found.depth + 1))
                self._before[self._numbers[after]].append(number)
        found.ends = len(ends)
        self._check_ends(ends)
        return None

    def _number(self, state: State, before: int, label: str) -> None:
        self._numbers[state] = len(self._came_from)
        self._came_from.append((before, label))
        self._before.append([])
        self._found.states += 1
        if not self._found.states % _EVERY:
            self._report(f"{self._found.states:,} states, {self._found.transitions:,} transitions")

    def _check_ends(self, ends: list[int]) -> None:
        """I7: from every state an end can be reached."""
        reached, waiting = set(ends), deque(ends)
        while waiting:
            for before in self._before[waiting.popleft()]:
                if before not in reached:
                    reached.add(before)
                    waiting.append(before)
        for number in range(len(self._came_from)):
            if number not in reached:
                return self._break("I7: from here no step leads to an end", number)
        return None

    def _break(self, broken: str, number: int, last: str = "") -> None:
        steps = [last] if last else []
        while number >= 0:
            number, label = self._came_from[number]
            steps.append(label)
        self._found.broken = broken
        self._found.trace = [label for label in reversed(steps) if label]
