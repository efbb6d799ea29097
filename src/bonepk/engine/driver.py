"""The batch loop around `stepper`: people, operations, records and step control, as LLVM text.

``run`` works through people first..last of a batch on one lane group. A lane that finishes a person
takes the next one, so lanes stay busy whatever the people's step counts. All decisions of a lane
depend on its own person alone; results are the same for any split of the batch.

Arguments come as one array of 8-byte slots (`ARGUMENTS`), so that Python fills a NumPy array instead
of passing twenty values.
"""

from __future__ import annotations

from bonepk.engine import tableau
from bonepk.engine.emit import Function, Variable
from bonepk.engine.lanes import LANE, LANE_NUMBERS, Driver
from bonepk.engine.timeline import Kind

__all__ = ["driver_text"]


def driver_text(d: Driver) -> str:
    """LLVM text of ``@run(arguments)`` and what it calls, on top of `stepper_text`."""
    makers = (
        _refresh,
        _start_state,
        _record,
        _note_size,
        _apply,
        _advance,
        _load,
        _next,
        _finish,
        _choose_step,
        _after,
        _run,
    )
    return "\n".join(make(d) for make in makers)


def _refresh(d: Driver) -> str:
    """Hoisted values of a lane, if its inputs changed."""
    fn = d.open("internal void @refresh(ptr %a, ptr %lanes, i64 %lane)")
    with fn.when(fn.i("ne", d.get("dirty", "%lane"), 0)):
        own = d.own("hlane", "%lane", d.space.hoisted)
        fn.do(f"call void @prepare(ptr {d.own('p', '%lane', d.space.vector)}, ptr {own})")
        with fn.count(d.space.hoisted) as i:
            d.write("h", "%lane", fn.load(own, i), i)
        d.put("dirty", "%lane", "0")
    return fn.text()


def _start_state(d: Driver) -> str:
    """Take the initial state at the present inputs; infusions off, every state on."""
    fn = d.open("internal void @start_state(ptr %a, ptr %lanes, i64 %lane)")
    own, copy, state = d.own("p", "%lane", d.space.vector), d.place("ptmp"), d.place("ytmp")
    with fn.count(d.space.vector) as i:
        fn.store(fn.load(own, i), copy, i)
    time = d.read("t", "%lane")
    for at, slope, since in d.layout.linear:
        gone = fn.f("sub", time, fn.load(own, since))
        fn.store(fn.f("add", fn.load(own, at), fn.f("mul", fn.load(own, slope), gone)), copy, at)
    fn.do(f"call void @initial(ptr {copy}, ptr {state})")
    with fn.count(d.n) as i:
        d.write("y", "%lane", fn.load(state, i), i)
    d.fill("rate", "%lane", 0.0)
    d.fill("mask", "%lane", 1.0)
    d.also("start", f", ptr {copy}")
    return fn.text()


def _record(d: Driver) -> str:
    """Write time, state and outputs at a fraction of the present step (or the present state)."""
    fn = d.open("internal void @record(ptr %a, ptr %lanes, i64 %lane, i64 %row, double %time, double %x)")
    person = d.get("person", "%lane")
    row = fn.i("add", fn.load(d.arg("row_first"), person, "i64"), "%row")
    fn.store("%time", d.arg("t_out"), row)
    target = fn.at(d.arg("y_out"), fn.i("mul", row, d.n))
    inside = fn.f("ogt", "%x", fn.num(0.0))
    with fn.when(fn.new(f"xor i1 {inside}, true")), fn.count(d.n) as i:
        fn.store(d.read("y", "%lane", i), target, i)
    with fn.when(inside):
        rest = fn.f("sub", fn.num(1.0), "%x")
        both = fn.f("mul", "%x", rest)
        weights = []
        for j in range(tableau.STAGES):
            q1, q2, q3 = (fn.num(row_[j]) for row_ in tableau.DENSE)
            inner = fn.f("add", q2, fn.f("mul", "%x", q3))
            weights.append(fn.f("mul", both, fn.f("add", q1, fn.f("mul", "%x", inner))))
        with fn.count(d.n) as i:
            old, new = d.read("y", "%lane", i), d.read("new", "%lane", i)
            total = fn.f("add", fn.f("mul", rest, old), fn.f("mul", "%x", new))
            for j, weight in enumerate(weights):
                total = fn.f("add", total, fn.f("mul", weight, d.read(f"k{j}", "%lane", i)))
            at_end = fn.f("oge", "%x", fn.num(1.0))
            fn.store(fn.choose(at_end, new, total), target, i)
    with fn.when(fn.new(f"icmp ne ptr {d.arg('out')}, null")):
        shown = fn.at(d.arg("out"), fn.i("mul", row, d.n_outputs))
        own = d.own("hlane", "%lane", d.space.hoisted)
        fn.do(f"call void @row(double %time, ptr {target}, ptr {own}, ptr {shown})")
    d.also("record", f", i64 {row}, double %time, double %x, ptr {target}")
    return fn.text()


def _note_size(d: Driver) -> str:
    """Widen each state's size by what it is now; the floor follows the largest."""
    fn = d.open("internal void @note_size(ptr %a, ptr %lanes, i64 %lane)")
    largest = fn.variable("double", fn.num(0.0))
    with fn.count(d.n) as i:
        now = fn.new(f"call double @llvm.fabs.f64(double {d.read('y', '%lane', i)})")
        before = d.read("size", "%lane", i)
        size = fn.choose(fn.f("ogt", now, before), now, before)
        d.write("size", "%lane", size, i)
        largest.set(fn.choose(fn.f("ogt", size, largest.get()), size, largest.get()))
    some = fn.f("ogt", largest.get(), fn.num(0.0))
    d.write("floor", "%lane", fn.f("mul", fn.choose(some, largest.get(), fn.num(1.0)), fn.num(1e-12)))
    return fn.text()


def _apply(d: Driver) -> str:
    """Carry out one operation other than RECORD; returns 0 if its kind is not known."""
    fn = d.open("internal i64 @apply(ptr %a, ptr %lanes, i64 %lane, i64 %op)")
    kind = fn.load(d.arg("op_kind"), "%op", "i32")
    index = fn.new(f"sext i32 {fn.load(d.arg('op_index'), '%op', 'i32')} to i64")
    value, time = fn.load(d.arg("op_value"), "%op"), fn.load(d.arg("op_time"), "%op")
    known = fn.variable("i64", "0")

    def case(which: Kind) -> str:
        return fn.new(f"icmp eq i32 {kind}, {int(which)}")

    for which in (Kind.ADD, Kind.SET):
        with fn.when(case(which)):
            known.set("1")
            on = fn.f("une", d.read("mask", "%lane", index), fn.num(0.0))
            old = d.read("y", "%lane", index)
            new = fn.f("add", old, value) if which == Kind.ADD else value
            d.write("y", "%lane", fn.choose(on, new, old), index)
    with fn.when(case(Kind.RATE)):
        known.set("1")
        d.write("rate", "%lane", value, index)
    with fn.when(case(Kind.INPUT)):
        known.set("1")
        own = d.own("p", "%lane", d.space.vector)
        place = fn.i("add", index, len(d.layout.parameters))
        fn.store(value, own, place)
        d.put("dirty", "%lane", "1")
        for at, slope, since in d.layout.linear:
            with fn.when(fn.i("eq", place, at)):
                fn.store(fn.load(d.arg("op_slope"), "%op"), own, slope)
                fn.store(time, own, since)
    with fn.when(case(Kind.RESET)):
        known.set("1")
        fn.do("call void @start_state(ptr %a, ptr %lanes, i64 %lane)")
    with fn.when(case(Kind.OFF)):
        known.set("1")
        d.write("y", "%lane", fn.num(0.0), index)
        d.write("mask", "%lane", fn.num(0.0), index)
    with fn.when(case(Kind.ON)):
        known.set("1")
        d.write("mask", "%lane", fn.num(1.0), index)
    with fn.when(case(Kind.CLOCK)):
        known.set("1")
        d.write("t", "%lane", time)
    d.also("jump", ", i64 %op")
    return fn.text(f"i64 {known.get()}")


def _advance(d: Driver) -> str:
    """Carry out what is due now; returns 0 at the end of the timeline, 1 where time must pass, 4 if stuck."""
    fn = d.open("internal i64 @advance(ptr %a, ptr %lanes, i64 %lane)")
    result = fn.variable("i64", "0")
    end = d.get("end", "%lane")
    with fn.forever() as leave:
        cursor = d.get("cursor", "%lane")
        fn.leave(leave, fn.i("sge", cursor, end))
        kind = fn.load(d.arg("op_kind"), cursor, "i32")
        time, now = fn.load(d.arg("op_time"), cursor), d.read("t", "%lane")
        later = fn.f("ogt", time, now)
        is_record = fn.new(f"icmp eq i32 {kind}, {int(Kind.RECORD)}")
        is_clock = fn.new(f"icmp eq i32 {kind}, {int(Kind.CLOCK)}")
        wait = fn.new(f"and i1 {later}, {fn.new(f'xor i1 {is_clock}, true')}")
        with fn.when(wait):
            _segment(d, fn, cursor, end, time)
            result.set("1")
        fn.leave(leave, wait)
        with fn.when(is_record):
            fn.do("call void @refresh(ptr %a, ptr %lanes, i64 %lane)")
            row = fn.new(f"sext i32 {fn.load(d.arg('op_index'), cursor, 'i32')} to i64")
            fn.do(f"call void @record(ptr %a, ptr %lanes, i64 %lane, i64 {row}, double {now}, double {fn.num(0.0)})")
        with fn.when(fn.new(f"xor i1 {is_record}, true")):
            d.also("shift", f", i64 {cursor}, double {fn.num(1.0)}")
            done = fn.new(f"call i64 @apply(ptr %a, ptr %lanes, i64 %lane, i64 {cursor})")
            d.also("shift", f", i64 {cursor}, double {fn.num(-1.0)}")
            d.put("fresh", "%lane", "1")
            with fn.when(fn.i("eq", done, 0)):
                result.set("4")
        fn.leave(leave, fn.i("eq", result.get(), 4))
        d.put("cursor", "%lane", fn.i("add", cursor, 1))
    with fn.when(fn.i("eq", result.get(), 1)):
        fn.do("call void @refresh(ptr %a, ptr %lanes, i64 %lane)")
        fn.do("call void @note_size(ptr %a, ptr %lanes, i64 %lane)")
    return fn.text(f"i64 {result.get()}")


def _segment(d: Driver, fn: Function, cursor: str, end: str, time: str) -> None:
    """End of the segment that starts now: the next operation that is no RECORD, or the last RECORD."""
    until, at = fn.variable("double", time), fn.variable("i64", cursor)
    with fn.forever() as leave:
        here = at.get()
        fn.leave(leave, fn.i("sge", here, end))
        kind = fn.load(d.arg("op_kind"), here, "i32")
        fn.leave(leave, fn.new(f"icmp eq i32 {kind}, {int(Kind.CLOCK)}"))
        until.set(fn.load(d.arg("op_time"), here))
        fn.leave(leave, fn.new(f"icmp ne i32 {kind}, {int(Kind.RECORD)}"))
        at.set(fn.i("add", here, 1))
    d.put("t_end", "%lane", until.get())


def _load(d: Driver) -> str:
    """Put a person into a lane and carry out what is due at the start; result as of `advance`."""
    fn = d.open("internal i64 @load(ptr %a, ptr %lanes, i64 %lane, i64 %person)")
    d.put("person", "%lane", "%person")
    source = fn.at(d.arg("params"), fn.i("mul", "%person", d.space.vector))
    own = d.own("p", "%lane", d.space.vector)
    with fn.count(d.space.vector) as i:
        fn.store(fn.load(source, i), own, i)
    line = fn.load(d.arg("chosen"), "%person", "i64")
    begin = fn.load(d.arg("start"), line)
    d.write("t", "%lane", begin)
    first = fn.load(d.arg("op_first"), line, "i64")
    end = fn.load(d.arg("op_first"), fn.i("add", line, 1), "i64")
    d.put("end", "%lane", end)
    d.also("begin")
    cursor = fn.variable("i64", first)
    with fn.forever() as leave:  # inputs given at the start count before the initial state
        here = cursor.get()
        fn.leave(leave, fn.i("sge", here, end))
        fn.leave(leave, fn.new(f"icmp ne i32 {fn.load(d.arg('op_kind'), here, 'i32')}, {int(Kind.INPUT)}"))
        fn.leave(leave, fn.f("une", fn.load(d.arg("op_time"), here), begin))
        fn.new(f"call i64 @apply(ptr %a, ptr %lanes, i64 %lane, i64 {here})")
        cursor.set(fn.i("add", here, 1))
    d.put("cursor", "%lane", cursor.get())
    for name in ("last_step", "rejected", "steps", "fails"):
        d.put(name, "%lane", "0")
    d.put("dirty", "%lane", "1")
    d.put("fresh", "%lane", "1")
    d.put("opening", "%lane", fn.num(0.0))
    d.put("natural", "%lane", fn.num(0.0))
    d.fill("size", "%lane", 0.0)
    fn.do("call void @start_state(ptr %a, ptr %lanes, i64 %lane)")
    return fn.text(f"i64 {fn.new('call i64 @advance(ptr %a, ptr %lanes, i64 %lane)')}")


def _next(d: Driver) -> str:
    """Give a lane the next person who needs time to pass, or retire it."""
    fn = d.open("internal void @next(ptr %a, ptr %lanes, i64 %lane, ptr %queue)")
    d.put("live", "%lane", "0")
    with fn.forever() as leave:
        person = fn.new("load i64, ptr %queue")
        fn.leave(leave, fn.i("sge", person, d.arg("last", "i64")))
        fn.do(f"store i64 {fn.i('add', person, 1)}, ptr %queue")
        found = fn.new(f"call i64 @load(ptr %a, ptr %lanes, i64 %lane, i64 {person})")
        going = fn.i("eq", found, 1)
        with fn.when(going):
            d.put("live", "%lane", "1")
            fn.do("call void @choose_step(ptr %a, ptr %lanes, i64 %lane)")
        fn.leave(leave, going)
        fn.do(f"call void @finish(ptr %a, ptr %lanes, i64 %lane, i64 {found})")
    with fn.when(fn.i("eq", d.get("live", "%lane"), 0)):
        d.write("step", "%lane", fn.num(1e-9))  # an idle lane goes on computing; keep it harmless
    return fn.text()


def _finish(d: Driver) -> str:
    """Note how a person's run ended."""
    fn = d.open("internal void @finish(ptr %a, ptr %lanes, i64 %lane, i64 %status)")
    person = d.get("person", "%lane")
    fn.store(fn.new("trunc i64 %status to i32"), d.arg("status"), person, "i32")
    fn.store(d.read("t", "%lane"), d.arg("stop_time"), person)
    target = fn.at(d.arg("y_end"), fn.i("mul", person, d.n))
    with fn.count(d.n) as i:
        fn.store(d.read("y", "%lane", i), target, i)
    counts = fn.at(d.arg("counts"), fn.i("mul", person, 2), "i64")
    fn.store(d.get("steps", "%lane"), counts, 0, "i64")
    fn.store(d.get("fails", "%lane"), counts, 1, "i64")
    return fn.text()


def _choose_step(d: Driver) -> str:
    """Length of the next attempt: the natural one, cut so that the segment's end is met exactly."""
    fn = d.open("internal void @choose_step(ptr %a, ptr %lanes, i64 %lane)")
    left = fn.f("sub", d.get("t_end", "%lane"), d.read("t", "%lane"))
    natural = fn.variable("double", d.get("natural", "%lane"))
    with fn.when(fn.i("ne", d.get("fresh", "%lane"), 0)):
        # after an operation: half of what the step after the last one came to; at first a guess,
        # which the error estimate corrects within an attempt or two
        opening = d.get("opening", "%lane")
        known = fn.f("ogt", opening, fn.num(0.0))
        natural.set(fn.choose(known, fn.f("mul", opening, fn.num(0.5)), fn.f("mul", left, fn.num(0.01))))
    step = fn.least(natural.get(), d.arg("max_step", "double"))
    d.put("natural", "%lane", step)
    twice = fn.f("olt", left, fn.f("mul", step, fn.num(2.0)))
    cut = fn.choose(twice, fn.f("mul", left, fn.num(0.5)), step)
    last = fn.f("ole", left, fn.f("mul", step, fn.num(1.0001)))
    d.write("step", "%lane", fn.choose(last, left, cut))
    d.put("last_step", "%lane", fn.new(f"zext i1 {last} to i64"))
    return fn.text()


def _after(d: Driver) -> str:
    """Judge an attempt, then record, move on, or try again."""
    fn = d.open("internal void @after(ptr %a, ptr %lanes, i64 %lane, ptr %queue)")
    steps = fn.i("add", d.get("steps", "%lane"), 1)
    d.put("steps", "%lane", steps)
    err, factor = d.read("err", "%lane"), d.read("fac", "%lane")
    step, now = d.read("step", "%lane"), d.read("t", "%lane")
    status = fn.variable("i64", "0")
    accepted = fn.f("ole", err, fn.num(1.0))
    with fn.when(fn.new(f"xor i1 {accepted}, true")):
        _reject(d, fn, err, factor, step, now, status)
    with fn.when(accepted):
        _accept(d, fn, factor, step, now)
    with fn.when(fn.i("sge", steps, d.arg("max_steps", "i64"))):
        status.set("3")
    failed = fn.i("ne", status.get(), 0)
    with fn.when(failed):
        fn.do(f"call void @finish(ptr %a, ptr %lanes, i64 %lane, i64 {status.get()})")
        fn.do("call void @next(ptr %a, ptr %lanes, i64 %lane, ptr %queue)")
    with fn.when(fn.new(f"xor i1 {failed}, true")):
        going = fn.variable("i64", "1")
        ended = fn.new(f"and i1 {accepted}, {fn.i('ne', d.get('last_step', '%lane'), 0)}")
        with fn.when(ended):
            going.set(fn.new("call i64 @advance(ptr %a, ptr %lanes, i64 %lane)"))
        on = fn.i("eq", going.get(), 1)
        with fn.when(on):
            fn.do("call void @choose_step(ptr %a, ptr %lanes, i64 %lane)")
        with fn.when(fn.new(f"xor i1 {on}, true")):
            fn.do(f"call void @finish(ptr %a, ptr %lanes, i64 %lane, i64 {going.get()})")
            fn.do("call void @next(ptr %a, ptr %lanes, i64 %lane, ptr %queue)")
    return fn.text()


def _reject(d: Driver, fn: Function, err: str, factor: str, step: str, now: str, status: Variable) -> None:
    d.put("fails", "%lane", fn.i("add", d.get("fails", "%lane"), 1))
    d.put("rejected", "%lane", "1")
    broken = fn.f("uno", err, err)
    kept = fn.choose(fn.f("ogt", factor, fn.num(0.1)), factor, fn.num(0.1))
    shorter = fn.f("mul", step, fn.choose(broken, fn.num(0.1), fn.least(kept, fn.num(0.9))))
    d.put("natural", "%lane", shorter)
    opening = fn.i("ne", d.get("fresh", "%lane"), 0)
    d.put("opening", "%lane", fn.choose(opening, fn.f("mul", shorter, fn.num(2.0)), d.get("opening", "%lane")))
    size = fn.new(f"call double @llvm.fabs.f64(double {now})")
    least = fn.f("add", fn.f("mul", size, fn.num(1e-15)), fn.num(1e-100))
    with fn.when(fn.f("olt", shorter, least)):
        status.set(fn.choose(broken, "1", "2", "i64"))


def _accept(d: Driver, fn: Function, factor: str, step: str, now: str) -> None:
    last = fn.i("ne", d.get("last_step", "%lane"), 0)
    then = fn.choose(last, d.get("t_end", "%lane"), fn.f("add", now, step))
    end = d.get("end", "%lane")
    d.also("step")
    with fn.forever() as leave:
        cursor = d.get("cursor", "%lane")
        fn.leave(leave, fn.i("sge", cursor, end))
        kind, time = fn.load(d.arg("op_kind"), cursor, "i32"), fn.load(d.arg("op_time"), cursor)
        fn.leave(leave, fn.new(f"icmp ne i32 {kind}, {int(Kind.RECORD)}"))
        fn.leave(leave, fn.f("ogt", time, then))
        part = fn.choose(fn.f("oeq", time, then), fn.num(1.0), fn.f("div", fn.f("sub", time, now), step))
        row = fn.new(f"sext i32 {fn.load(d.arg('op_index'), cursor, 'i32')} to i64")
        fn.do(f"call void @record(ptr %a, ptr %lanes, i64 %lane, i64 {row}, double {time}, double {part})")
        d.put("cursor", "%lane", fn.i("add", cursor, 1))
    with fn.count(d.n) as i:
        d.write("y", "%lane", d.read("new", "%lane", i), i)
    d.also("commit")
    d.write("t", "%lane", then)
    fn.do("call void @note_size(ptr %a, ptr %lanes, i64 %lane)")
    most = fn.choose(fn.i("ne", d.get("rejected", "%lane"), 0), fn.num(1.0), fn.num(6.0))
    limited = fn.least(fn.choose(fn.f("ogt", factor, fn.num(0.2)), factor, fn.num(0.2)), most)
    grown = fn.f("mul", step, limited)
    # a step cut short by the segment's end says nothing against the longer one
    natural = d.get("natural", "%lane")
    whole = fn.f("oge", step, natural)
    better = fn.choose(fn.f("ogt", grown, natural), grown, natural)
    steady = fn.f("oge", limited, fn.num(1.0))
    d.put("natural", "%lane", fn.choose(fn.new(f"or i1 {whole}, {fn.new(f'xor i1 {steady}, true')}"), grown, better))
    fresh = fn.i("ne", d.get("fresh", "%lane"), 0)
    # what the error would have allowed, so that the halves of halves do not shrink for ever
    d.put("opening", "%lane", fn.choose(fresh, grown, d.get("opening", "%lane")))
    d.put("fresh", "%lane", "0")
    d.put("rejected", "%lane", "0")


def _run(d: Driver) -> str:
    fn = d.open("void @run(ptr %a)")
    lanes = fn.new(f"alloca [{(len(LANE) + len(LANE_NUMBERS)) * d.lanes} x i64], align 64")
    queue = fn.variable("i64", d.arg("first", "i64"))
    # arrays that a lane without a person would read are set, so that it never meets a signal
    with fn.count(d.space.places["end"]) as i:
        fn.store(fn.num(0.0), d.arg("ws"), i)
    with fn.count(d.n) as i, fn.count(d.lanes) as lane:
        d.write("atol", lane, fn.load(d.arg("atol"), i), i)
    fn.store(d.arg("rtol", "double"), d.place("rtol"), 0)
    fn.store(d.arg("part", "double"), d.place("part"), 0)
    with fn.count(d.lanes) as lane:
        fn.do(f"call void @next(ptr %a, ptr {lanes}, i64 {lane}, ptr {queue.name})")
    with fn.forever() as leave:
        live = fn.variable("i64", "0")
        with fn.count(d.lanes) as lane:
            live.set(fn.i("add", live.get(), fn.load(lanes, lane_slot(fn, d, lane), "i64")))
        fn.leave(leave, fn.i("eq", live.get(), 0))
        fn.do(f"call void @step(ptr {d.arg('ws')})")
        with fn.count(d.lanes) as lane:
            on = fn.i("ne", fn.load(lanes, lane_slot(fn, d, lane), "i64"), 0)
            with fn.when(on):
                fn.do(f"call void @after(ptr %a, ptr {lanes}, i64 {lane}, ptr {queue.name})")
    return fn.text()


def lane_slot(fn: Function, d: Driver, lane: str) -> str:
    """Index of a lane's flag that it is live."""
    return fn.i("add", lane, LANE.index("live") * d.lanes)
