"""What the native loop knows: the arguments of a call and the numbers that belong to each lane."""

from __future__ import annotations

from bonepk.engine.emit import Function
from bonepk.engine.lower import Layout
from bonepk.engine.stepper import Workspace

__all__ = ["ARGUMENTS", "FAILED", "LANE", "LANE_NUMBERS", "Driver"]

ARGUMENTS = (
    "first", "last",  # people of this call
    "params", "chosen",  # parameter vectors; timeline of each person
    "op_first", "start", "op_time", "op_kind", "op_index", "op_value", "op_slope",
    "row_first", "t_out", "y_out", "out", "status", "stop_time", "y_end", "counts",
    "atol", "rtol", "part", "max_step", "max_steps", "ws",
    "tangent", "chunks", "seeds", "op_dvalue", "op_dtime", "s_out", "dout",  # sensitivities only
)  # fmt: skip

FAILED = {1: "not finite", 2: "step too small", 3: "too many steps", 4: "operation not known"}
"""What a person's status means; 0 is a finished run."""

LANE = ("person", "cursor", "end", "live", "last_step", "rejected", "dirty", "steps", "fails", "fresh")
LANE_NUMBERS = ("natural", "t_end", "opening")


class Driver:
    """Writes the functions of the loop; `tangent` says that sensitivities ride along (see `tangent`)."""

    def __init__(self, layout: Layout, space: Workspace, n_outputs: int, tangent: bool = False) -> None:
        self.layout, self.space, self.n_outputs, self.tangent = layout, space, n_outputs, tangent
        self.n, self.lanes = layout.n, space.lanes

    def open(self, head: str) -> Function:
        """Begin a function."""
        fn = Function(head)
        self.fn = fn
        return fn

    def arg(self, name: str, kind: str = "ptr") -> str:
        """Load an argument slot."""
        return self.fn.load("%a", ARGUMENTS.index(name), kind)

    def place(self, name: str) -> str:
        """Address of a workspace array."""
        return self.fn.at(self.arg("ws"), self.space.places[name])

    def lane_at(self, name: str, lane: str) -> str:
        """Address of a whole number (i64) or number that belongs to a lane."""
        if name in LANE:
            start, kind = LANE.index(name) * self.lanes, "i64"
        else:
            start, kind = (len(LANE) + LANE_NUMBERS.index(name)) * self.lanes, "double"
        return self.fn.at("%lanes", self.fn.i("add", lane, start), kind)

    def get(self, name: str, lane: str) -> str:
        """Load a number that belongs to a lane."""
        return self.fn.new(f"load {'i64' if name in LANE else 'double'}, ptr {self.lane_at(name, lane)}")

    def put(self, name: str, lane: str, value: str) -> None:
        """Store a number that belongs to a lane."""
        self.fn.do(f"store {'i64' if name in LANE else 'double'} {value}, ptr {self.lane_at(name, lane)}")

    def element(self, name: str, index: str, lane: str) -> str:
        """Address of element `index` of a lane in a workspace array."""
        fn = self.fn
        return fn.at(self.place(name), fn.i("add", fn.i("mul", index, self.lanes), lane))

    def read(self, name: str, lane: str, index: str = "0") -> str:
        """Load an element of a lane."""
        return self.fn.new(f"load double, ptr {self.element(name, index, lane)}")

    def write(self, name: str, lane: str, value: str, index: str = "0") -> None:
        """Store an element of a lane."""
        self.fn.do(f"store double {value}, ptr {self.element(name, index, lane)}")

    def own(self, name: str, lane: str, length: int) -> str:
        """Start of a lane's own contiguous array."""
        return self.fn.at(self.place(name), self.fn.i("mul", lane, length))

    def also(self, name: str, more: str = "") -> None:
        """Let the sensitivities follow, if there are any."""
        if self.tangent:
            self.fn.do(f"call void @tangent_{name}(ptr %a, ptr %lanes, i64 %lane{more})")

    def fill(self, name: str, lane: str, value: float) -> None:
        """Set all elements of a lane."""
        with self.fn.count(self.n) as i:
            self.write(name, lane, self.fn.num(value), i)
