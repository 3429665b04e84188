"""The scheduler alone: turns, results, settling, cancelling, and leaving code in peace."""

from contextvars import ContextVar

import pytest

from checkpointflow.errors import WorkflowCodeError
from checkpointflow.kernel.fibers import Ask, Future, Scheduler
from checkpointflow.kernel.ids import StepKey
from checkpointflow.kernel.run import Parked


class Bench:
    """A scheduler, what it told about cancelled fibers, and what fibers asked for."""

    def __init__(self):
        self.cancelled = []
        self.asked = []
        self.log = []
        self.scheduler = Scheduler(lambda fiber: self.cancelled.append((fiber.key, list(fiber.asks))))

    def ask(self, key):
        return Ask(self.scheduler, StepKey(key), self.asked.append)

    def spawn(self, coroutine, key="f"):
        return self.scheduler.spawn(coroutine, StepKey(key))

    def run(self):
        self.scheduler.run()

    async def logged(self, name, *awaited):
        for one in awaited:
            self.log.append(f"{name} waits")
            self.log.append((name, await one))
        self.log.append(f"{name} ends")
        return name


@pytest.fixture
def bench():
    return Bench()


def test_fibers_take_turns_first_come_first_served(bench):
    gate = Future(bench.scheduler)
    for name in "abc":
        bench.spawn(bench.logged(name, gate), name)
    bench.run()
    assert bench.log == ["a waits", "b waits", "c waits"]
    gate.resolve(1)
    bench.run()
    assert bench.log[3:] == [("a", 1), "a ends", ("b", 1), "b ends", ("c", 1), "c ends"]


def test_a_fiber_gives_its_value_or_raises_its_error(bench):
    async def fail():
        raise LookupError("no")

    good, bad = bench.spawn(bench.logged("good")), bench.spawn(fail())
    bench.run()
    assert (good.is_settled, good.result(), good.error) == (True, "good", None)
    assert isinstance(bad.error, LookupError)
    with pytest.raises(LookupError):
        bad.result()


def test_a_context_variable_is_each_fibers_own_and_begins_as_that_of_the_fiber_that_spawned_it(bench):
    place = ContextVar("place", default="nowhere")
    gate = Future(bench.scheduler)

    async def member(name):
        bench.log.append((name, place.get()))
        place.set(name)
        await gate
        bench.log.append((name, place.get()))

    async def outer():
        place.set("outer")
        fibers = [bench.spawn(member(name), name) for name in "ab"]
        for fiber in fibers:
            await fiber
        bench.log.append(("outer", place.get()))

    bench.spawn(outer())
    bench.run()
    gate.resolve(None)
    bench.run()
    assert bench.log == [("a", "outer"), ("b", "outer"), ("a", "a"), ("b", "b"), ("outer", "outer")]
    assert place.get() == "nowhere"


def test_a_result_asked_for_too_early_is_an_error(bench):
    with pytest.raises(WorkflowCodeError, match="before it was there"):
        Future(bench.scheduler).result()


def test_what_has_settled_is_given_at_once(bench):
    done = Future(bench.scheduler)
    done.resolve(7)
    fiber = bench.spawn(bench.logged("f", done))
    bench.run()
    assert fiber.result() == "f"
    assert ("f", 7) in bench.log


def test_a_rejected_future_raises_where_it_is_awaited(bench):
    gate = Future(bench.scheduler)
    fiber = bench.spawn(bench.logged("f", gate))
    bench.run()
    gate.reject(LookupError("no"))
    bench.run()
    assert isinstance(fiber.error, LookupError)


def test_an_ask_begins_once_for_the_fiber_that_awaits_it_first(bench):
    ask = bench.ask("s")
    assert bench.scheduler.unawaited == {"s": ask}
    first, second = bench.spawn(bench.logged("first", ask), "first"), bench.spawn(bench.logged("second", ask), "second")
    bench.run()
    assert bench.asked == [ask]
    assert ask.owner is first
    assert first.asks == {"s": ask}
    assert bench.scheduler.unawaited == {}
    ask.resolve(1)
    bench.run()
    assert first.asks == {}
    assert (first.result(), second.result()) == ("first", "second")


def test_verbs_need_a_fiber_whose_turn_it_is(bench):
    with pytest.raises(WorkflowCodeError, match="only while the workflow is being driven"):
        bench.ask("s").begin()


def test_an_ask_that_settles_unawaited_harms_nobody(bench):
    ask = bench.ask("s")
    ask.resolve(1)
    assert ask.result() == 1


# -- the first to settle ---------------------------------------------------------------------------


def test_the_first_of_some_fibers_is_the_one_that_settled_first(bench):
    gates = [Future(bench.scheduler) for _ in range(3)]
    fibers = [bench.spawn(bench.logged(f"m{i}", gate), f"m{i}") for i, gate in enumerate(gates)]
    root = bench.spawn(bench.logged("root", bench.scheduler.settled(fibers, StepKey(""))), "root")
    bench.run()
    gates[1].resolve(None)
    bench.run()
    assert ("root", fibers[1]) in bench.log
    gates[0].resolve(None)
    gates[2].resolve(None)
    bench.run()
    assert root.is_settled


def test_of_fibers_that_have_settled_the_earliest_is_given(bench):
    gates = [Future(bench.scheduler) for _ in range(2)]
    fibers = [bench.spawn(bench.logged(f"m{i}", gate), f"m{i}") for i, gate in enumerate(gates)]
    bench.run()
    gates[1].resolve(None)
    bench.run()
    gates[0].resolve(None)
    bench.run()
    verb = bench.scheduler.settled(fibers, StepKey(""))
    bench.spawn(bench.logged("root", verb, verb), "root")
    bench.run()
    assert bench.log.count(("root", fibers[1])) == 2


def test_a_watcher_hears_of_the_first_alone(bench):
    gate = Future(bench.scheduler)
    fibers = [bench.spawn(bench.logged(f"m{i}", gate), f"m{i}") for i in range(2)]
    bench.spawn(bench.logged("root", bench.scheduler.settled(fibers, StepKey(""))), "root")
    bench.run()
    gate.resolve(None)
    bench.run()
    assert ("root", fibers[0]) in bench.log


# -- cancelling ------------------------------------------------------------------------------------


def nest(bench, keys, gate):
    """Return a coroutine that begins a chain of fibers, each by the one before, and the fibers."""
    fibers = []

    async def link(rest):
        if rest:
            fibers.append(bench.spawn(link(rest[1:]), rest[0]))
        await gate(rest)

    return link(keys), fibers


def test_cancelling_a_fiber_ends_what_it_began_first(bench):
    asks = {}

    def gate(rest):
        asks[len(rest)] = bench.ask(f"ask{len(rest)}")
        return asks[len(rest)]

    coroutine, fibers = nest(bench, ["outer", "inner"], gate)
    bench.spawn(coroutine, "root")
    bench.run()
    fibers[0].cancel()
    assert bench.cancelled == [("inner", ["ask0"]), ("outer", ["ask1"])]
    assert all(fiber.is_settled and fiber.is_cancelled for fiber in fibers)
    with pytest.raises(WorkflowCodeError, match="`inner` was cancelled"):
        fibers[1].result()


def test_cancelling_what_has_settled_does_nothing(bench):
    fiber = bench.spawn(bench.logged("f"))
    bench.run()
    fiber.cancel()
    assert fiber.result() == "f"
    assert bench.cancelled == []


def test_a_fiber_cancelled_before_its_first_turn_never_has_one(bench):
    fiber = bench.spawn(bench.logged("f"))
    fiber.cancel()
    bench.run()
    assert bench.log == []


def test_a_fiber_cancelled_after_its_result_came_does_not_go_on(bench):
    gate = Future(bench.scheduler)
    fiber = bench.spawn(bench.logged("f", gate))
    bench.run()
    gate.resolve(1)
    fiber.cancel()
    bench.run()
    assert bench.log == ["f waits"]


def test_what_a_cancelled_fiber_waited_for_may_still_settle(bench):
    gate = Future(bench.scheduler)
    fiber = bench.spawn(bench.logged("f", gate))
    bench.run()
    fiber.cancel()
    gate.resolve(1)
    bench.run()
    assert bench.log == ["f waits"]


@pytest.mark.parametrize("ancestor", [0, 1], ids=["itself", "what began it"])
def test_a_fiber_cannot_cancel(bench, ancestor):
    line = []

    async def inner():
        line[1 - ancestor].cancel()

    async def outer():
        line.append(bench.spawn(inner(), "inner"))
        await line[1]

    line.append(bench.spawn(outer(), "outer"))
    bench.run()
    assert isinstance(line[1].error, WorkflowCodeError)
    assert "cannot cancel itself or what began it" in str(line[1].error)
    assert bench.cancelled == []


def test_children_end_with_the_fiber_that_began_them(bench):
    gate = Future(bench.scheduler)

    async def root():
        bench.spawn(bench.logged("child", gate), "child")
        return "done"

    fiber = bench.spawn(root(), "root")
    bench.run()
    assert fiber.result() == "done"
    assert [key for key, _ in bench.cancelled] == ["child"]


def test_actions_at_the_end_are_told_the_error_the_last_added_first(bench):
    ends = []

    async def root():
        fiber = bench.scheduler.current
        fiber.on_end += [lambda error: ends.append(("first", error)), lambda error: ends.append(("last", error))]
        raise LookupError

    fiber = bench.spawn(root())
    bench.run()
    assert ends == [("last", fiber.error), ("first", fiber.error)]
    assert isinstance(fiber.error, LookupError)


def test_what_is_raised_while_a_fiber_is_cancelled_stays_inside(bench):
    async def stubborn():
        try:
            await Future(bench.scheduler)
        finally:
            raise LookupError("in finally")

    fiber = bench.spawn(stubborn())
    bench.run()
    fiber.cancel()
    assert isinstance(fiber.error, WorkflowCodeError)


# -- foreign awaitables, and leaving ---------------------------------------------------------------


class Foreign:
    def __await__(self):
        yield "something"


def test_awaiting_something_foreign_fails_the_fiber_and_leaves_its_code(bench):
    left = []

    async def flow():
        try:
            await Foreign()
        finally:
            left.append(True)

    fiber = bench.spawn(flow())
    bench.run()
    assert isinstance(fiber.error, WorkflowCodeError)
    assert f"{__file__}:" in str(fiber.error)
    assert left == [True]


def test_parked_raised_in_a_turn_goes_through(bench):
    async def flow():
        raise Parked

    bench.spawn(flow())
    with pytest.raises(Parked):
        bench.run()


def test_closing_leaves_every_fiber_and_lets_no_verb_through(bench):
    left = []

    async def flow(name):
        try:
            await Future(bench.scheduler)
        finally:
            left.append(name)
            await bench.ask("late")
            left.append("never")

    fibers = [bench.spawn(flow(name), name) for name in "ab"]
    bench.run()
    bench.scheduler.close()
    assert left == ["a", "b"]
    assert bench.asked == []
    with pytest.raises(Parked):
        bench.scheduler.refuse_if_closing()
    with pytest.raises(Parked):
        fibers[0].cancel()
    with pytest.raises(Parked):
        bench.spawn(bench.logged("late"))


def test_code_that_swallows_the_leaving_is_left_all_the_same(bench):
    async def flow():
        try:
            await Future(bench.scheduler)
        except BaseException:
            bench.log.append("swallowed")

    bench.spawn(flow())
    bench.run()
    bench.scheduler.close()
    bench.run()
    assert bench.log == ["swallowed"]


def test_cleaning_up_is_told_that_it_cannot_ask_in_every_fiber_however_many_there_are(bench):
    told = []

    async def cleans_up(number):
        try:
            await Future(bench.scheduler)
        finally:
            try:
                await bench.ask(f"undo-{number}")
            except BaseException as error:
                told.append((number, type(error)))

    for number in range(1_500):
        bench.spawn(cleans_up(number), f"f-{number}")
    bench.run()
    bench.scheduler.close()
    assert told == [(number, Parked) for number in range(1_500)]
    assert bench.asked == []
