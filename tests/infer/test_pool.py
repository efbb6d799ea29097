"""Jobs in several processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import sys, time
from pathlib import Path
from bonepk.infer.pool import each

def beat(folder, job, tell):
    while True:
        with open(Path(folder) / f"{job}.txt", "a") as out:
            out.write(".")
        tell("on")
        time.sleep(0.02)

if __name__ == "__main__":
    each(beat, sys.argv[1], [0, 1], workers=2)
"""


@pytest.mark.skipif(os.name == "nt", reason="sends a signal that Windows has not")
def test_workers_end_when_who_called_them_is_killed(tmp_path):
    script = tmp_path / "beats.py"
    script.write_text(SCRIPT)
    caller = subprocess.Popen([sys.executable, str(script), str(tmp_path)])
    beats = [tmp_path / "0.txt", tmp_path / "1.txt"]
    _until(lambda: all(b.exists() and b.stat().st_size > 3 for b in beats))
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    _until(lambda: _still(beats))


def _still(beats: list[Path]) -> bool:
    before = [b.stat().st_size for b in beats]
    time.sleep(0.5)  # twenty-five beats
    return before == [b.stat().st_size for b in beats]


def _until(reached) -> None:
    for _ in range(600):
        if reached():
            return
        time.sleep(0.1)
    raise AssertionError("not reached in a minute")
