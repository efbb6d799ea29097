"""First result in a fresh process: with an empty code cache and with a full one."""

import json
import os
import subprocess
import sys

import pytest

_PROGRAM = """
import json, time
t0 = time.process_time()
import numpy, llvmlite.binding
t1 = time.process_time()
import bonepk
from bonepk.engine import Kind, Op, Timeline, compile_system
from bonepk.engine.batch import integrate_batch
t2 = time.process_time()
system = bonepk.load({name!r}, {drugs!r})
t3 = time.process_time()
c = compile_system(system, "llvm")
p = c.parameter_vector()
c.rhs(0.0, c.initial(p), c.prepare(p))
t4 = time.process_time()
line = Timeline.build(0.0, [Op(30.0 * i, Kind.RECORD, i) for i in range(61)])
assert integrate_batch(c, p, line).status[0] == 0
t5 = time.process_time()
print(json.dumps(dict(third_party=t1 - t0, bonepk=t2 - t1, load=t3 - t2, compile=t4 - t3, native_run=t5 - t4)))
"""


def _first(name, drugs, folder):
    program = _PROGRAM.format(name=name, drugs=drugs)
    environment = os.environ | {"BONEPK_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("name", "drugs"), [("aibl", ["denosumab"]), ("peterson_riggs2012", [])])
@pytest.mark.parametrize("state", ["cold", "warm"])
def test_first_result(benchmark, tmp_path, name, drugs, state):
    seen = []
    if state == "warm":
        _first(name, drugs, tmp_path)

    def run():
        folder = tmp_path if state == "warm" else tmp_path / str(len(seen))
        seen.append(_first(name, drugs, folder))

    benchmark.pedantic(run, rounds=7)
    # medians of the parts, in ms of processor time; own time is all but third-party imports
    parts = {key: sorted(s[key] for s in seen)[len(seen) // 2] * 1e3 for key in seen[0]}
    benchmark.extra_info.update(parts=parts, own_ms=sum(parts.values()) - parts["third_party"])
