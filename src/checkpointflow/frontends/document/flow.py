"""Checks of where a list of steps can lead: ids, jumps, started steps, what is never reached; no expressions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, zip_longest

from checkpointflow.frontends.document.answers import Answers, Ways
from checkpointflow.frontends.document.findings import DUPLICATE, Findings
from checkpointflow.frontends.document.model import END, ON_ERROR, Document, Path, Step
from checkpointflow.schemas import did_you_mean

_SHOWN = 6


def check_flow(document: Document, findings: Findings) -> None:
    """Report what is wrong with the ids and jumps of a document, and what looks wrong with its order."""
    answers = Answers(document)
    everywhere = {step.id for step in document.all_steps() if step.id}
    for steps in document.all_lists():
        is_main = steps is document.steps
        entry = document.on_error if is_main else None
        _List(steps, everywhere, entry, answers, findings).check()
    for step in document.all_steps():
        _check_branch_names(step, findings)
        _check_transitions(step, answers.ways(step), findings)


class _List:
    """One list of steps and what is asked of it."""

    def __init__(
        self, steps: tuple[Step, ...], everywhere: set[str], entry: str | None, answers: Answers, findings: Findings
    ) -> None:
        self._steps = steps
        self._answers = answers
        self._everywhere = everywhere
        self._entry = entry
        self._findings = findings
        self._by_id: dict[str, Step] = {}
        for step in steps:
            if step.id:
                self._by_id.setdefault(step.id, step)
        self._starters = self._find_starters()
        self._circular = self._find_circular()

    def check(self) -> None:
        self._check_ids()
        self._check_jumps()
        self._check_started()
        self._check_order()

    def _find_starters(self) -> Mapping[str, tuple[Step, Path]]:
        """Which `parallel` starts which step of this list, and where it says so; the first one counts."""
        found: dict[str, tuple[Step, Path]] = {}
        for step in self._steps:
            for path, target in step.started():
                found.setdefault(target, (step, (*step.path, *path)))
        return found

    def _check_ids(self) -> None:
        first: dict[str, Step] = {}
        for step in self._steps:
            if step.id and first.setdefault(step.id, step) is not step:
                message = f"the id `{step.id}` is used twice in this list"
                self._findings.error((*step.path, "id"), message, "rename one of them", code=DUPLICATE)

    def _check_jumps(self) -> None:
        for step in self._steps:
            for path, target in step.jumps():
                self._check_target((*step.path, *path), target)
        if self._entry is not None:
            self._check_target(ON_ERROR, self._entry)

    def _check_target(self, path: Path, target: str) -> None:
        if target in self._starters and target in self._by_id:
            starter = self._starters[target][0].id
            message = f"`{target}` is run by the `start_at` of `{starter}`, so nothing can jump to it"
            self._findings.error(path, message, f"jump to `{starter}`")
        elif target not in self._by_id and target != END:
            self._unknown(path, target)

    def _unknown(self, path: Path, target: str) -> None:
        if target in self._everywhere:
            message, hint = f"the step `{target}` stands in another list; jumps stay in theirs", ""
        else:
            message = f"there is no step `{target}`"
            hint = did_you_mean(target, [*self._by_id, END])
        self._findings.error(path, message, hint or f"steps of this list: {self._names()}")

    def _names(self) -> str:
        names = [f"`{name}`" for name in list(self._by_id)[:12]]
        return ", ".join(names) + (" …" if len(self._by_id) > 12 else "")

    def _check_started(self) -> None:
        for step in self._steps:
            for path, target in step.started():
                self._check_start((*step.path, *path), target, step)

    def _check_start(self, path: Path, target: str, starter: Step) -> None:
        step = self._by_id.get(target)
        if step is None:
            self._unknown(path, target)
        elif step is starter:
            self._findings.error(path, f"`{target}` cannot start itself", "name another step")
        elif step.kind in ("switch", "end"):
            hint = "give the branch an `id` and `steps` of its own"
            self._findings.error(path, f"`start_at` cannot name a step of kind `{step.kind}`", hint)
        elif self._starters[target][1] != path:
            self._findings.error(path, f"`{target}` is a branch already", "a step belongs to one branch only")
        elif target in self._circular:
            self._findings.error(path, f"`{target}` starts `{starter.id}` in turn", "a branch cannot hold itself")
        else:
            self._check_started_step(step)

    def _check_started_step(self, step: Step) -> None:
        for path, _ in step.jumps():
            message = f"`{step.id}` is run by `start_at`, so it cannot jump"
            hint = f"remove `{path[0]}`, or give the branch an `id` and `steps` of its own"
            self._findings.error((*step.path, *path), message, hint)

    def _find_circular(self) -> set[str]:
        """Which started steps start, by way of others, the step that starts them."""
        circular: set[str] = set()
        seen: set[str] = set()
        for target in self._starters:
            way: dict[str, None] = {}
            current = target
            while current in self._starters and current not in seen:
                seen.add(current)
                way[current] = None
                current = self._starters[current][0].id
            if current in way:
                chain = list(way)
                circular.update(chain[chain.index(current) :])
        return circular

    # -- order -----------------------------------------------------------------------------------

    def _check_order(self) -> None:
        order = [step for step in self._steps if step.id not in self._starters]
        reached = self._reached(order)
        for step in order:
            if step.id and id(step) not in reached:
                hint = "nothing jumps to it, and the steps before it lead elsewhere"
                self._findings.warning(step.path, f"the step `{step.id}` is never reached", hint)
        self._check_ends(order, reached)
        self._check_rounds(order, reached)

    def _check_rounds(self, order: list[Step], reached: set[int]) -> None:
        """Warn of steps that lead to each other for ever: no condition, answer, deadline or failure leads out."""
        known = {id(step) for step in order}
        leads = {
            id(one): {target if target in known else None for target in self._leads(one, following)}
            for one, following in zip_longest(order, order[1:])
        }
        left = _leading_to({None}, leads)
        trapped = {id(step): leads[id(step)] for step in order if id(step) in reached and id(step) not in left}
        begun = _kept_going(trapped)
        ring = [step for step in order if id(step) in begun]
        if ring:
            shown = ", ".join(f"`{step.id}`" for step in ring[:_SHOWN])
            message = (
                f"nothing but a failure leads out of {shown}: the run goes round until it has visited a step too often"
            )
            back = next((path for step in ring[-1:] for path, _ in step.jumps()), ())
            hint = "have a `switch`, an `if` or a transition lead on, or to `end`"
            self._findings.warning((*ring[-1].path, *back), message, hint)

    def _leads(self, step: Step, following: Step | None) -> set[int | None]:
        """Return where a step may lead, None for the end of the list or of the run."""
        targets = [target for _, target in step.jumps()]
        found: set[int | None] = {id(self._by_id[target]) for target in targets if target in self._by_id}
        can_end = step.kind == "end" or any(one.kind == "end" for inner in step.lists.values() for one in inner)
        if can_end or not found.issuperset(id(self._by_id.get(target)) for target in targets):
            found.add(None)
        if self._goes_on(step):
            found.add(None if following is None else id(following))
        return found

    def _reached(self, order: list[Step]) -> set[int]:
        following = {id(before): step for before, step in pairwise(order)}
        waiting = order[:1]
        if self._entry in self._by_id:
            waiting.append(self._by_id[self._entry])
        reached: set[int] = set()
        while waiting:
            step = waiting.pop()
            if id(step) in reached:
                continue
            reached.add(id(step))
            waiting.extend(self._by_id[target] for _, target in step.jumps() if target in self._by_id)
            if self._goes_on(step) and id(step) in following:
                waiting.append(following[id(step)])
        return reached

    def _goes_on(self, step: Step) -> bool:
        """Tell whether the next step in the list can follow a step; after an unknown target it is taken to."""
        if step.when is not None or not step.kind:
            return True
        leads_elsewhere = step.next is not None and (step.next in self._by_id or step.next == END)
        return step.kind not in ("end", "switch") and not leads_elsewhere and not self._answers.are_all_taken(step)

    def _check_ends(self, order: list[Step], reached: set[int]) -> None:
        """Warn of an end that a step runs into and others jump to: one of the two is seldom meant."""
        jumpers: dict[str, list[str]] = {}
        for step in self._steps:
            for _, target in step.jumps():
                jumpers.setdefault(target, []).append(step.id)
        for before, end in pairwise(order):
            if id(before) in reached and end.kind == "end" and self._goes_on(before):
                self._check_end(before, end, jumpers.get(end.id, []))

    def _check_end(self, before: Step, end: Step, jumpers: list[str]) -> None:
        other = next((f"`{name}`" for name in jumpers if name != before.id), None)
        if other is None and self._entry == end.id:
            other = "`on_error` of the document"
        if other is None or before.next == end.id:
            return
        message = f"`{before.id}` goes on to the end `{end.id}`, which {other} also jumps to"
        hint = f"if that is meant, write `next: {end.id}` on `{before.id}`; else give it another `next`"
        if before.when is not None or before.kind in ("end", "switch"):
            hint = f"`{end.id}` follows where `{before.id}` is skipped; else put an `end` of its own between them"
        self._findings.warning(end.path, message, hint)


def _leading_to(targets: set[int | None], leads: Mapping[int, set[int | None]]) -> set[int | None]:
    """Return these targets and all that may lead to one of them."""
    before: dict[int | None, list[int]] = {}
    for step, nexts in leads.items():
        for one in nexts:
            before.setdefault(one, []).append(step)
    found: set[int | None] = set()
    waiting = list(targets)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(before.get(one, ()))
    return found


def _kept_going(trapped: Mapping[int, set[int | None]]) -> set[int | None]:
    """Return those of these steps that go round: what only leads in is left out."""
    counts: dict[int | None, int] = dict.fromkeys(trapped, 0)
    for nexts in trapped.values():
        for one in nexts:
            counts[one] += 1
    kept: set[int | None] = set(trapped)
    waiting = [step for step, count in counts.items() if not count]
    while waiting:
        step = waiting.pop()
        kept.discard(step)
        for one in trapped[step] if step is not None else ():
            counts[one] -= 1
            if not counts[one]:
                waiting.append(one)
    return kept


def _check_transitions(step: Step, ways: Ways | None, findings: Findings) -> None:
    if ways is None:
        return
    if ways.left and step.next is None:
        more = f", and {len(ways.left) - _SHOWN} more" if len(ways.left) > _SHOWN else ""
        hint = "without one, the next step in the list follows; say so with `next`"
        message = f"no transition is taken when {', or '.join(ways.left[:_SHOWN])}{more}"
        findings.warning((*step.path, "transitions"), message, hint, at_key=True)
    for index in ways.unused:
        hint = f"`input_schema` says that {ways.listed}" if ways.listed else "an earlier one takes every answer"
        message = "this transition is never taken: no answer makes its condition true before another one"
        findings.warning((*step.path, "transitions", index, "when"), message, hint)


def _check_branch_names(step: Step, findings: Findings) -> None:
    branches = step.fields.get("branches")
    seen: dict[str, str] = {}
    for index, branch in enumerate(branches if isinstance(branches, list) else []):
        key = "start_at" if isinstance(branch, dict) and "start_at" in branch else "id"
        name = branch.get(key) if isinstance(branch, dict) else None
        if not isinstance(name, str):
            continue
        if "id" in (key, seen.get(name)) and name in seen:  # that a step starts twice is told elsewhere
            message = f"the name `{name}` is used for two branches of `{step.id}`"
            findings.error((*step.path, "branches", index, key), message, "rename one of them", code=DUPLICATE)
        seen[name] = key
