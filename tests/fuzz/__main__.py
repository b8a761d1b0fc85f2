"""`python -m tests.fuzz --inputs N --seed S --corpus DIR`: fuzz everything that reads bytes of a peer.

Each target runs in a process of its own, so that one that dies is noticed and named. The last line is the result, JSON.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.campaign import campaign
from tests.fuzz.targets import CORPUS, TARGETS, Target


def main() -> int:
    """Run all targets; exit code 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs in total")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="folder of inputs to begin with")
    parser.add_argument("--keep", type=Path, help="folder for inputs that say something new")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("--target", choices=[target.name for target in TARGETS], help="only this one")
    options = parser.parse_args()
    if options.target:
        return one(options)
    return everything(options)


def one(options: argparse.Namespace) -> int:
    """Fuzz one target in this process."""
    faulthandler.enable()
    target = next(target for target in TARGETS if target.name == options.target)
    tally = campaign(target, options.inputs, options.seed, options.corpus, options.keep)
    for data, error in tally.findings[:5]:
        sys.stderr.write(f"{target.name}: {error}: {data[:200].hex()}\n")
    result = {
        "target": target.name,
        "inputs": tally.inputs,
        "taken": tally.taken,
        "refused": dict(tally.refused),
        "findings": len(tally.findings),
        "cpu_us_per_input": round(1e6 * tally.cpu_s / max(1, tally.inputs), 2),
    }
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if tally.findings else 0


def everything(options: argparse.Namespace) -> int:
    """Fuzz all targets, each in its share."""
    begun = time.monotonic()
    shares = sum(target.share for target in TARGETS)
    waiting = list(TARGETS)
    running: list[tuple[Target, subprocess.Popen[str]]] = []
    results = []
    while waiting or running:
        while waiting and len(running) < options.jobs:
            target = waiting.pop()
            running.append((target, _start(target, options, -(-options.inputs * target.share // shares))))
        target, process = running.pop(0)
        out, _ = process.communicate()
        died = {"target": target.name, "inputs": 0, "findings": 1, "died": process.returncode}
        results.append(json.loads(out) if out.strip() else died)
        sys.stderr.write(json.dumps(results[-1]) + "\n")
    total = {name: sum(result[name] for result in results) for name in ("inputs", "findings")}
    total |= {"seed": options.seed, "seconds": round(time.monotonic() - begun, 1), "targets": results}
    sys.stdout.write(json.dumps(total) + "\n")
    return 1 if total["findings"] else 0


def _start(target: Target, options: argparse.Namespace, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.fuzz", "--target", target.name, "--inputs", str(count)]
    command += ["--seed", str(options.seed), "--corpus", str(options.corpus)]
    command += ["--keep", str(options.keep)] if options.keep else []
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    sys.exit(main())
