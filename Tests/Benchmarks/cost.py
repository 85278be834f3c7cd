"""Checks what a call costs against the budgets in cost.json: heap allocations, system calls, instructions.

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
import time
from collections.abc import Iterator
from pathlib import Path

from peers import Programs, Stage

ROOT = Path(__file__).resolve().parents[2]
BUDGET = Path(__file__).with_name("cost.json")
KEYS = 100
# Calls before the counting begins: buffers, tables and the agent's memory have then found their size.
WARM_UP = 1600
# How often a cost above its budget is counted.
ATTEMPTS = 3
# Calls that are counted, and those of a run whose count is taken off a longer one's.
CALLS, SHORT, LONG = 16_000, 1600, 4800


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


def warm_clients(
    programs: Programs, calls: dict[str, dict], directory: Path, wrapper: list[str], environment: dict[str, str]
) -> Iterator[tuple[str, dict, Client, int]]:
    """A warm connection for each call, and the process of the agent at its other end; one agent for each tier."""
    for tier in sorted({call["tier"] for call in calls.values()}):
        with CountingStage(programs, directory / "stage", wrapper, environment) as stage:
            stage.agent(tier)
            # What an agent does once, a second after its start, is no call's.
            time.sleep(1.5)
            for name, call in calls.items():
                if call["tier"] == tier:
                    yield name, call, warm(stage, call), stage.process(tier)


def allocations(programs: Programs, calls: dict[str, dict], directory: Path) -> dict[str, float]:
    """Heap allocations of each call, counted behind malloc."""
    library = directory / "allocations.so"
    source = Path(__file__).with_name("allocations.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    count = directory / "count"
    environment = {"LD_PRELOAD": str(library), "SQUIRE_ALLOCATIONS": str(count)}
    costs = {}
    for name, call, client, _ in warm_clients(programs, calls, directory, [], environment):
        with open(count, "rb") as file, mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ) as memory:
            before = int.from_bytes(memory[:8], sys.byteorder)
            client.run(call["method"], CALLS, call["depth"])
            costs[name] = (int.from_bytes(memory[:8], sys.byteorder) - before) / CALLS
    return costs


def system_calls(programs: Programs, calls: dict[str, dict], directory: Path) -> dict[str, float]:
    """System calls of each call: what strace counts in a longer run beyond a shorter one."""

    def total(call: dict, number: int) -> int:
        table = directory / "strace"
        with CountingStage(programs, directory / "stage", ["strace", "-f", "-qq", "-c", "-o", str(table)], {}) as stage:
            warm(stage, call).run(call["method"], number, call["depth"])
        last = table.read_text().splitlines()[-1].split()
        if last[-1] != "total":
            raise RuntimeError(f"strace counted nothing: {last}")
        return int(last[3])

    return {name: (total(call, LONG) - total(call, SHORT)) / (LONG - SHORT) for name, call in calls.items()}


def instructions(programs: Programs, calls: dict[str, dict], directory: Path) -> dict[str, float]:
    """Instructions of each call, counted by callgrind from the first to the last."""
    costs = {}
    out = directory / "callgrind"
    prefix = f"--vgdb-prefix={directory}/vgdb"
    wrapper = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", prefix]
    for name, call, client, process in warm_clients(programs, calls, directory, wrapper, {}):

        def control(command: str) -> None:
            subprocess.run(["callgrind_control", prefix, command, str(process)], check=True, capture_output=True)

        control("--zero")
        client.run(call["method"], LONG, call["depth"])
        control("--dump")
        dump = next(directory.glob("callgrind.*"))
        costs[name] = int(re.search(r"^(?:totals|summary): (\d+)", dump.read_text(), re.MULTILINE).group(1)) / LONG
        dump.unlink()
    return costs


def warm(stage: Stage, call: dict) -> Client:
    """A connection to an agent that holds the entries and has found its size."""
    client = Client(stage.agent(call["tier"]))
    client.run("cache.set", KEYS, 1)
    client.run(call["method"], WARM_UP, call["depth"])
    return client


MEASURES = {
    "allocations": (allocations, "cc"),
    "system_calls": (system_calls, "strace"),
    "instructions": (instructions, "callgrind_control"),
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
            # What the agent does now and then only ever adds: what is too much is counted again, and the least counts.
            for _ in range(ATTEMPTS - 1):
                again = {name: call for name, call in budget["calls"].items() if costs[name] > call[measure]}
                for name, cost in function(programs, again, Path(directory)).items():
                    costs[name] = min(costs[name], cost)
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
