"""Checks what a call costs against tests' budgets in cost.json: heap allocations, system calls, instructions.

None of the three depends on time, so a machine that does other things meanwhile changes nothing. What is missing to
measure one of them is named, and that one is skipped. Called by scripts/test on the release build.
"""

from __future__ import annotations

import json
import mmap
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from peers import Programs, Stage

ROOT = Path(__file__).resolve().parents[2]
BUDGET = Path(__file__).with_name("cost.json")
KEYS = 100
# Calls before the counting begins: buffers, tables and the agent's memory have then found their size.
WARM_UP = 1600


class Client:
    """One connection that sends so many calls in one go and waits for all replies."""

    def __init__(self, path: Path):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(60)
        self.connection.connect(str(path))

    def exchange(self, requests: list[bytes]) -> bytes:
        self.connection.sendall(b"".join(requests))
        received = b""
        while received.count(b"\n") < len(requests):
            piece = self.connection.recv(1 << 16)
            if not piece:
                raise RuntimeError("the agent closed the connection")
            received += piece
        return received

    def run(self, method: str, calls: int, depth: int) -> None:
        requests = [request(method, number) for number in range(KEYS)]
        for begin in range(0, calls, depth):
            replies = self.exchange([requests[(begin + number) % KEYS] for number in range(min(depth, calls - begin))])
            if b'"error"' in replies or b'"hit":false' in replies:
                raise RuntimeError(replies[:500].decode())


def request(method: str, number: int) -> bytes:
    params = {"key": f"cost:{number:08}"}
    if method == "cache.set":
        params |= {"value": "x" * 62, "ttl_ms": 3_600_000}
    call = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(call, separators=(",", ":")).encode() + b"\n"


class CountingStage(Stage):
    """A stage whose agents run under a program that counts."""

    def __init__(self, programs: Programs, directory: Path, wrapper: list[str], environment: dict[str, str]):
        super().__init__(programs, directory)
        self.wrapper = wrapper
        self.environment = environment

    def signalled(self, process: int) -> int:
        # strace stays beside the program; valgrind becomes it.
        if self.wrapper[:1] != ["strace"] or self.processes["valkey"].pid == process:
            return process
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return int(children[0]) if children else process


def allocations(programs: Programs, calls, directory: Path) -> dict[str, float]:
    """Heap allocations of each call, counted behind malloc."""
    library = directory / "allocations.so"
    source = Path(__file__).with_name("allocations.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    count = directory / "count"
    environment = {"LD_PRELOAD": str(library), "SQUIRE_ALLOCATIONS": str(count)}
    costs = {}
    for name, call in calls.items():
        with CountingStage(programs, directory / "stage", [], environment) as stage:
            client = warm(stage, call)
            with open(count, "rb") as file, mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ) as memory:
                before = int.from_bytes(memory[:8], sys.byteorder)
                client.run(call["method"], 16_000, call["depth"])
                costs[name] = (int.from_bytes(memory[:8], sys.byteorder) - before) / 16_000
    return costs


def system_calls(programs: Programs, calls, directory: Path) -> dict[str, float]:
    """System calls of each call: what strace counts in a longer run beyond a shorter one."""

    def total(call, number: int) -> int:
        table = directory / "strace"
        with CountingStage(programs, directory / "stage", ["strace", "-f", "-qq", "-c", "-o", str(table)], {}) as stage:
            warm(stage, call).run(call["method"], number, call["depth"])
        last = table.read_text().splitlines()[-1].split()
        if last[-1] != "total":
            raise RuntimeError(f"strace counted nothing: {last}")
        return int(last[3])

    return {name: (total(call, 4800) - total(call, 1600)) / 3200 for name, call in calls.items()}


def instructions(programs: Programs, calls, directory: Path) -> dict[str, float]:
    """Instructions of each call: what callgrind counts in a longer run beyond a shorter one."""

    def total(call, number: int) -> int:
        out = directory / "callgrind"
        wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--trace-children=no"]
        with CountingStage(programs, directory / "stage", wrapper, {}) as stage:
            warm(stage, call).run(call["method"], number, call["depth"])
        return int(re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE).group(1))

    return {name: (total(call, 4800) - total(call, 1600)) / 3200 for name, call in calls.items()}


def warm(stage: Stage, call: dict) -> Client:
    client = Client(stage.agent(call["tier"]))
    client.run("cache.set", KEYS, 1)
    client.run(call["method"], WARM_UP, call["depth"])
    return client


MEASURES = {
    "allocations": (allocations, "cc"),
    "system_calls": (system_calls, "strace"),
    "instructions": (instructions, "valgrind"),
}


def main() -> int:
    budget = json.loads(BUDGET.read_text())
    programs = Programs.find(ROOT)
    failures = 0
    with tempfile.TemporaryDirectory(prefix="squire-cost-") as directory:
        for measure, (function, tool) in MEASURES.items():
            if shutil.which(tool) is None:
                print(f"squire: skipped: {tool} is not installed, {measure.replace('_', ' ')} are not counted")
                continue
            costs = function(programs, budget["calls"], Path(directory))
            for name, cost in costs.items():
                most = budget["calls"][name][measure]
                verdict = "" if cost <= most else "  TOO MANY"
                failures += cost > most
                print(f"{measure.replace('_', ' '):14} {name:28} {cost:10.3f} of {most:g}{verdict}")
    if failures:
        print(f"{failures} costs are above their budget in {BUDGET.relative_to(ROOT)}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
