import numpy as np
import pytest

from bonepk.engine.timeline import Kind, Op, Pattern, Timeline


def test_packing_and_unpacking_keep_every_operation():
    ops = [
        Op(0.0, Kind.INPUT, 1, 3.5, 0.25),
        Op(0.0, Kind.STEADY, 0, 1.0),
        Op(2.0, Kind.ADD, 4, 10.0),
        Op(2.0, Kind.RECORD, 0),
        Op(1.0, Kind.CLOCK),
        Op(1.0, Kind.RESET),
        Op(3.0, Kind.RECORD, 1),
    ]
    pattern = Pattern(12.0, ((0.0, int(Kind.RATE), 2, 5.0), (4.0, int(Kind.RATE), 2, 0.0)))
    line = Timeline.build(-1.0, ops, [Pattern(0.0, ()), pattern])
    assert line.ops() == ops
    assert line.rows == 2
    assert line.pattern(0) == Pattern(0.0, ())
    assert line.pattern(1) == pattern
    assert (line.time.dtype, line.kind.dtype, line.index.dtype) == (np.float64, np.int32, np.int32)


def test_arrays_cannot_be_changed():
    line = Timeline.build(0.0, [Op(0.0, Kind.RECORD, 0)])
    with pytest.raises(ValueError, match="read-only"):
        line.time[0] = 1.0


def test_an_empty_timeline_is_a_timeline():
    line = Timeline(3.0)
    assert (line.rows, line.ops()) == (0, [])


@pytest.mark.parametrize(
    ("ops", "text"),
    [
        ([Op(1.0, Kind.ADD, 0, 1.0), Op(0.5, Kind.ADD, 0, 1.0)], "operation 1 at 0.5 comes after 1.0"),
        ([Op(-1.0, Kind.ADD, 0, 1.0)], "operation 0 at -1.0 comes after 0.0"),
        ([Op(1.0, Kind.ADD, 0, float("nan"))], "'value' is not a vector of finite numbers"),
        ([Op(float("inf"), Kind.ADD, 0, 1.0)], "'time' is not"),
        ([Op(1.0, Kind.RECORD, 1)], "one RECORD for each of its 1 rows"),
        ([Op(1.0, Kind.RECORD, 0), Op(2.0, Kind.RECORD, 0)], "one RECORD for each of its 2 rows"),
    ],
)
def test_what_cannot_be_a_timeline_says_why(ops, text):
    with pytest.raises(ValueError, match=text):
        Timeline.build(0.0, ops)


def test_uneven_arrays_are_refused():
    with pytest.raises(ValueError, match="disagree in length"):
        Timeline(0.0, time=np.zeros(2), kind=np.zeros(1, dtype=np.int32))


@pytest.mark.parametrize(
    ("ops", "patterns", "text"),
    [
        ([Op(0.0, Kind.ADD, 3, 1.0)], [], "ADD index outside 0..2"),
        ([Op(0.0, Kind.INPUT, 1, 1.0)], [], "INPUT index outside 0..0"),
        ([Op(0.0, Kind.STEADY, 1)], [Pattern(1.0, ())], "STEADY index outside 0..0"),
        ([Op(0.0, Kind.OFF, -1)], [], "OFF index outside 0..2"),
        ([], [Pattern(1.0, ((0.0, 0, 7, 1.0),))], "pattern state outside 0..2"),
    ],
)
def test_indices_are_checked_against_the_model(ops, patterns, text):
    with pytest.raises(IndexError, match=text):
        Timeline.build(0.0, ops, patterns).check(3, 1)
