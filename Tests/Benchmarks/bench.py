"""Runs the rows of the benchmark and prints, and where all of them ran writes, the table.

Called by scripts/bench, which builds and installs what is needed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import report
from measure import Outcome, Settings
from peers import Missing, Programs, Stage
from rows import ROWS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/performance.md"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures the agent beside its peers.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows to measure; all but 'hour' without any")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--smoke", action="store_true", help="every row for a moment: whether it runs, not how fast")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each row (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="time that each round counts (2)")
    parser.add_argument("--hour-seconds", type=float, default=3600.0, help="time that the row 'hour' takes (3600)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)} though rows are missing")
    return parser.parse_args()


def measure(row, programs: Programs, settings: Settings, directory: Path) -> Outcome:
    with Stage(programs, directory / row.name) as stage:
        try:
            return row.run(stage, settings)
        except Missing as missing:
            return Outcome(row.name, row.title, "", {}, [], [str(missing)])


def main() -> int:
    arguments = options()
    names = [row.name for row in ROWS]
    if arguments.list:
        for row in ROWS:
            print(f"{row.name:18} {row.title}")
        return 0
    unknown = [name for name in arguments.rows if name not in names]
    if unknown:
        print(f"there is no row {' '.join(unknown)}; the rows are {' '.join(names)}", file=sys.stderr)
        return 64
    wanted = arguments.rows or [name for name in names if name != "hour" or arguments.smoke]
    settings = Settings(
        rounds=1 if arguments.smoke else arguments.rounds,
        seconds=0.2 if arguments.smoke else arguments.seconds,
        warm_up=0.05 if arguments.smoke else 0.5,
        is_smoke=arguments.smoke,
        hour_seconds=arguments.hour_seconds,
    )
    programs = Programs.find(ROOT)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="squire-bench-") as directory:
        for row in ROWS:
            if row.name in wanted:
                print(f"squire: measuring {row.name}", file=sys.stderr, flush=True)
                outcome = measure(row, programs, settings, Path(directory))
                print(report.lines(outcome), flush=True)
                outcomes.append(outcome)
    for program in sorted({name for outcome in outcomes for name in outcome.missing}):
        print(f"squire: skipped: {program} is not installed", file=sys.stderr)
    if arguments.smoke:
        print(f"{len(outcomes)} rows ran")
        return 0
    print(report.table(outcomes))
    if arguments.write or not arguments.rows:
        PAGE.write_text(report.page(outcomes, programs, settings, ROOT))
        print(f"squire: wrote {PAGE.relative_to(ROOT)}", file=sys.stderr)
    return 0 if all(outcome.holds() for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
