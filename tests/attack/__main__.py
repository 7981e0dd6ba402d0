"""The command: `python -m tests.attack [--seconds 60] [--seed N] [--only TARGET …]`; 1 for findings."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
import warnings

from tests.attack.target import attack
from tests.attack.targets import TARGETS
from tests.support.paths import ROOT


def main() -> int:
    """Attack the borders one after the other, and write what is found to `tests/samples/attack`."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", nargs="+", choices=[target.name for target in TARGETS], metavar="TARGET")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    targets = [target for target in TARGETS if not options.only or target.name in options.only]
    print(
        f"seed {options.seed}, {options.seconds:g} s; SEED={options.seed} attacks in the same way", flush=True
    )
    began, total, findings = time.monotonic(), 0, 0
    for number, target in enumerate(targets):
        left = options.seconds - (time.monotonic() - began)
        share = target.share / sum(one.share for one in targets[number:])
        done = attack(target, options.seed, seconds=max(left, 0.1) * share)
        total, findings = total + done.cases, findings + len(done.findings)
        print(
            f"{done.target:14} {done.cases:9,} cases {done.seconds:6.1f} s  {len(done.findings)} findings",
            flush=True,
        )
        for finding in done.findings:
            print(f"  {finding.what[:160]}\n  {finding.key}: {finding.keep().relative_to(ROOT)}", flush=True)
    print(f"{total:,} cases in {time.monotonic() - began:.0f} s, {findings} findings")
    return min(findings, 1)


if __name__ == "__main__":
    sys.exit(main())
