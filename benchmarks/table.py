"""Print the results of a ``--benchmark-json`` file as the tables of README.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def _number(value: float | int | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.1e}"


def main(path: str) -> None:
    """Write one table for measurements with a ruler and one for first results."""
    found = json.loads(Path(path).read_text())["benchmarks"]
    print("| what | ms | error | ruler | ms | error | ratio |\n|---|---|---|---|---|---|---|")
    for b in found:
        info = b["extra_info"]
        if "ruler" in info:
            name = f"{Path(b['fullname'].split('::')[0]).stem[6:]}: {b['name'][5:]}"
            cells = [name, f"{info['ms']:.2f}", _number(info["error"]), info["ruler"]]
            cells += [f"{info['ruler_ms']:.2f}", _number(info["ruler_error"]), f"{info['ratio']:.2g}"]
            print("| " + " | ".join(cells) + " |")
    print("\n| first result | third-party imports | import bonepk | load | compile | native run | own total |")
    print("|---|---|---|---|---|---|---|")
    for b in found:
        info = b["extra_info"]
        if "parts" in info:
            parts = info["parts"]
            cells = [f"{parts[k]:.0f}" for k in ("third_party", "bonepk", "load", "compile", "native_run")]
            print(f"| {b['name'][18:-1]} | " + " | ".join(cells) + f" | {info['own_ms']:.0f} |")


if __name__ == "__main__":
    main(sys.argv[1])
