"""Adaptive multilevel splitting: probabilities too small for plain Monte Carlo.

Particles climb towards a rare event. Those that got least far are killed and replaced by clones
of the others, which go on from where their parent first got further, with noise of their own.
Each round multiplies the estimate by the share that survived. In discrete time particles may
tie: all that are level with the last one killed are killed with it, and the estimate is unbiased
for any number of particles and any score (Brehier, Gazeau, Goudenege, Lelievre and Rousset, Annals
of Applied Probability 26, 2016). The score decides the variance only.

Many independent groups run side by side: their spread is the error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import numpy as np

from simulator.arrays import BoolArray, FloatArray, IntArray

Noise_contra = TypeVar("Noise_contra", contravariant=True)
Noise = TypeVar("Noise")


class Particles(Protocol[Noise_contra]):
    """Markov chains side by side, in columns. What a column does next depends on it alone."""

    @property
    def score(self) -> FloatArray:
        """How far each has got so far, ``(n,)``; it never falls."""
        ...

    def step(self, k: int, noise: Noise_contra) -> None:
        """Advance all to step ``k``, counted from 1, in place, with fresh noise."""
        ...

    def take(self, index: IntArray) -> Self:
        """Copies of some, which share nothing that moves."""
        ...

    def join(self, other: Self) -> Self:
        """These and others, at the same step."""
        ...


@dataclass(frozen=True)
class Split:
    """The result of splitting. G groups, L targets."""

    probability: FloatArray  # (G, L) unbiased estimates, independent between groups
    steps: int  # that particles made, all together
    rounds: int


def split(
    start: Particles[Noise],
    noise: Callable[[int], Noise],
    *,
    steps: int,
    targets: FloatArray,
    groups: int,
    rng: np.random.Generator,
    survivors: float = 0.5,
    least: float = 0.0,
) -> Split:
    """Estimate the probabilities that the score reaches each target.

    Parameters
    ----------
    start
        Particles at step 0, group after group, as many in each; within a group they may depend on
        each other (strata) if each one alone has the right distribution.
    noise
        Called with the number of the round; gives noise independent of every other round's.
    steps
        Number of the last step.
    targets
        Scores (L,), rising.
    groups
        Number of independent repetitions G.
    rng
        Chooses parents.
    survivors
        Share of a group that survives a round, less ties.
    least
        A group whose estimate falls below is given up: what it has not settled stays 0. So the
        estimates of targets less likely than this are too low.

    Raises
    ------
    ValueError
        If the particles do not divide into groups of two or more, or targets do not rise.
    """
    size = start.score.size // groups
    if size * groups != start.score.size or size < 2:
        raise ValueError(f"{start.score.size} particles do not make {groups} groups of two or more")
    if not 0.0 < survivors < 1.0 or targets.size == 0 or np.any(np.diff(targets) <= 0.0):
        raise ValueError("expected rising targets and a share of survivors between 0 and 1")
    return _Splitting(start, noise, steps, targets, groups, survivors).run(rng, least)


class _Splitting(Generic[Noise]):
    """The population: each slot's scores at all steps, and where its states are stored."""

    def __init__(
        self,
        start: Particles[Noise],
        noise: Callable[[int], Noise],
        steps: int,
        targets: FloatArray,
        groups: int,
        survivors: float,
    ) -> None:
        count = start.score.size
        self.noise, self.last, self.targets, self.groups = noise, steps, targets, groups
        self.size = count // groups
        self.least = max(round((1.0 - survivors) * self.size), 1)  # killed in a round
        self.group = np.arange(count) // self.size
        # A state is stored when its slot's score is a new high: clones start only from there.
        self.marks = np.zeros((steps + 1, count))
        self.rows = np.full((steps + 1, count), -1, np.int64)
        self.stored: list[Particles[Noise] | None] = [None] * (steps + 1)
        self.stored[0], self.rows[0], self.marks[0] = start, np.arange(count), start.score
        self.level = np.full(groups, -np.inf)
        self.steps = 0

    def run(self, rng: np.random.Generator, least: float) -> Split:
        """Kill and clone until every group has settled every target."""
        probability = np.zeros((self.groups, self.targets.size))
        open_ = np.ones(probability.shape, np.bool_)
        weight = np.ones(self.groups)
        self._advance(np.arange(self.group.size), np.zeros(self.group.size, np.int64), 0)
        rounds = 0
        while True:
            best = self.marks[-1].reshape(self.groups, self.size)
            order = np.argsort(best, axis=1, kind="stable")
            level = np.take_along_axis(best, order[:, self.least - 1 : self.least], axis=1)[:, 0]
            for place, target in enumerate(self.targets):
                settled = open_[:, place] & (level >= target)
                share = np.mean(best[settled] >= target, axis=1)
                probability[settled, place] = weight[settled] * share
                open_[settled, place] = False
            doomed = np.asarray(best <= level[:, None])
            killed = np.count_nonzero(doomed, axis=1)
            # Extinct, or given up: what is not settled stays 0.
            open_[(killed == self.size) | (weight < least)] = False
            going = np.asarray(open_.any(axis=1))
            if not going.any():
                return Split(probability, self.steps, rounds)
            rounds += 1
            weight[going] *= 1.0 - killed[going] / self.size
            self.level = np.where(going, level, np.inf)  # nothing of the others is needed
            slots = np.flatnonzero(doomed & going[:, None])
            self._clone(slots, self._parents(slots, order, killed, rng), rounds)

    def _parents(
        self, slots: IntArray, order: IntArray, killed: IntArray, rng: np.random.Generator
    ) -> IntArray:
        """A survivor of the same group for each slot."""
        group = self.group[slots]
        alive = self.size - killed[group]
        place = killed[group] + (rng.random(slots.size) * alive).astype(np.int64)
        return np.asarray(group * self.size + order[group, place])

    def _clone(self, slots: IntArray, parents: IntArray, number: int) -> None:
        """Give slots their parents' past up to where it first passed the level, and a new future."""
        past = self.marks[:, parents]
        begin = np.argmax(past > self.level[self.group[slots]], axis=0)
        shared = np.arange(self.last + 1)[:, None] <= begin
        # Beyond the branch the mark stands as it was there, until the clone moves it.
        here = np.arange(slots.size)
        self.marks[:, slots] = np.where(shared, past, past[begin, here])
        self.rows[:, slots] = np.where(shared, self.rows[:, parents], -1)
        unfinished = past[begin, here] < self.targets[-1]
        self._advance(slots[unfinished], begin[unfinished], number)

    def _advance(self, slots: IntArray, begin: IntArray, number: int) -> None:
        """Move slots from their step ``begin`` to the end, or to the last target."""
        noise, top = self.noise(number), self.targets[-1]
        fresh_states: list[list[tuple[Particles[Noise], IntArray]]] = [[] for _ in self.stored]
        moving: Particles[Noise] | None = None
        columns = np.empty(0, np.int64)
        for k in range(int(begin.min()) if begin.size else self.last, self.last):
            entering = slots[begin == k]
            if moving is not None and columns.size:
                unfinished = self.marks[k, columns] < top
                # Fewer columns are cheaper, but a new set of them has its price.
                if entering.size or unfinished.mean() < 0.9:
                    moving = moving.take(np.flatnonzero(unfinished))
                    columns = columns[unfinished]
            if entering.size:
                here = self.stored[k]
                assert here is not None, "a slot stands where its state was stored"
                new = here.take(self.rows[k, entering])
                moving = new if moving is None or not columns.size else moving.join(new)
                columns = np.concatenate([columns, entering])
            if moving is None or not columns.size:
                continue
            moving.step(k + 1, noise)
            self.steps += columns.size
            score = moving.score
            self.marks[k + 1 :, columns] = score
            higher = score > np.maximum(self.marks[k, columns], self.level[self.group[columns]])
            fresh = np.flatnonzero(higher & (score < top))
            if fresh.size:
                fresh_states[k + 1].append((moving.take(fresh), columns[fresh]))
        self._store(fresh_states)

    def _store(self, fresh_states: list[list[tuple[Particles[Noise], IntArray]]]) -> None:
        """Keep the states from which clones may still start, old and new."""
        above: BoolArray = self.marks > self.level[self.group]
        for k, new in enumerate(fresh_states):
            held = self.stored[k]
            live = np.flatnonzero(above[k] & (self.rows[k] >= 0))
            rows, place = np.unique(self.rows[k, live], return_inverse=True)
            self.rows[k] = -1
            self.rows[k, live] = place
            kept = held.take(rows) if held is not None and rows.size else None
            count = rows.size
            for particles, columns in new:
                self.rows[k, columns] = count + np.arange(columns.size)
                count += columns.size
                kept = particles if kept is None else kept.join(particles)
            self.stored[k] = kept
