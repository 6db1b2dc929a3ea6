"""lazyop beside its peers, in one process.

Run ``python benchmarks/compare.py``, or with ``--quick`` for a look that takes a minute or two.
Within a cell the contenders take turns, several rounds long, so that whatever else the machine does
meets all of them; what counts is the ratio of the fastest peer's median to lazyop's, above 1 where
lazyop is faster. Each contender's result is checked before it is timed, and one that is not
installed is said to be absent. The cells and their goals are in `cases.py`, the contenders in
`peers.py`.

Other work on the machine does not meet all alike: it stops products on several threads for whole
time slices, and hardly slows those on one. Leave the machine alone while this runs. On virtual
processors, products on several threads may take up to twice as long for minutes, when one thread
reaches the other later, as on cores without a cache in common: the JSON file says how long that
took before and after each cell.
"""

import argparse
import gc
import math
import random
import re
import sys
import time
import warnings
from pathlib import Path
from timeit import Timer

import numpy as np
from cases import Cell, cells, is_quick
from comparison import Measurement, table, write
from handoff import handoff
from peers import CONTENDERS, Contender, NotOfferedError, Product
from report import RESULTS, conditions, warn_if_busy

#: Seconds between turns. The threads of a BLAS wait for more work for a while, and meanwhile hold
#: the cores that the next contender's threads need.
PAUSE = 0.06
#: Seconds of calls that are not counted before those that are: after a pause, caches and threads
#: take a while to wake.
WARM_UP = 0.04
#: Seconds that the counted calls of one turn take together, at least: what counts is a product
#: among others, as in a solver.
TURN = 2e-2
#: In how many pieces two that take one turn together do so, by turns in it.
PIECES = 4


def main() -> None:
    options = arguments()
    chosen = [cell for cell in cells() if wanted(cell, options)]
    if not chosen:
        sys.exit(f"no cell matches {options.only!r}")
    rounds = options.rounds or (5 if options.quick else 15)
    found = conditions(rounds)
    warn_if_busy(found)
    measurements = [measured(cell, rounds) for cell in chosen]
    print("\n" + table(measurements, found))
    complete = not (options.quick or options.only)
    folder = options.output or (RESULTS if complete else None)
    if folder is not None:
        write(folder, measurements, found)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few small cells, few rounds")
    parser.add_argument("--only", metavar="PATTERN", default="", help="cells whose names match")
    parser.add_argument("--rounds", type=int, help="turns of each contender in a cell")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write table, JSON and figure there (by default to results/, after a full run)",
    )
    return parser.parse_args()


def wanted(cell: Cell, options: argparse.Namespace) -> bool:
    matches = re.search(options.only, cell.name, re.IGNORECASE) is not None
    return matches and (is_quick(cell) or not options.quick)


def measured(cell: Cell, rounds: int) -> Measurement:
    print(cell.name, end=" ", flush=True)
    start = time.perf_counter()
    measurement = measure(cell, rounds)
    print(f"({time.perf_counter() - start:.0f} s)", flush=True)
    return measurement


def measure(cell: Cell, rounds: int) -> Measurement:
    """Prepare and check all contenders of a cell, then time them in turn."""
    problem = cell.problem()
    products, kinds, left_out = {}, {}, {}
    for contender in CONTENDERS[type(problem)]:
        try:
            products[contender.name] = prepared(contender, problem)
            kinds[contender.name] = contender.kind
        except NotOfferedError as reason:
            left_out[contender.name] = str(reason)
    before, times, after = handoff(), in_turn(products, rounds), handoff()
    weights = sum(v.nbytes for v in getattr(problem, "values", ()))
    return Measurement(cell, times, kinds, left_out, weights, (before, after))


def prepared(contender: Contender, problem: object) -> Product:
    """The contender's product, once its result has been found right."""
    product = contender.prepare(problem)
    expected = problem.expected_adjoint if contender.adjoint else problem.expected
    result = product()
    error = np.linalg.norm(np.reshape(result, expected.shape) - expected) / np.linalg.norm(expected)
    # Written so that NaN is wrong too.
    if not error <= 1e3 * np.finfo(expected.dtype).eps:
        if contender.kind == "lazyop":
            raise AssertionError(f"{contender.name} is wrong by {error:.1e}")
        raise NotOfferedError(f"wrong by {error:.1e}")
    return product


def in_turn(products: dict[str, Product], rounds: int) -> dict[str, list[float]]:
    """Microseconds of a call of each product, from rounds in which all take a turn.

    The order is another in each round: who comes after a BLAS meets its threads still awake. A
    product and its adjoint, which are to take the same time, share a turn: by turns, as a solver
    calls them.
    """
    timers = {name: Timer(product) for name, product in products.items()}
    seconds = {name: seconds_of_a_call(timer) for name, timer in timers.items()}
    times = {name: [] for name in timers}
    gc.collect()
    pair = [name for name in timers if name in ("lazyop", "lazyop adjoint")]
    groups, shuffled = [pair, *([name] for name in timers if name not in pair)], random.Random(0)
    for _ in range(rounds):
        shuffled.shuffle(groups)
        shuffled.shuffle(pair)
        for group in groups:
            for name, microseconds in turn({n: timers[n] for n in group}, seconds).items():
                times[name].append(microseconds)
    return times


def turn(timers: dict[str, Timer], seconds: dict[str, float]) -> dict[str, float]:
    """Microseconds of a call of each product of a group in one turn."""
    pieces = PIECES if len(timers) > 1 else 1
    counts = {name: math.ceil(TURN / pieces / seconds[name]) for name in timers}
    time.sleep(PAUSE)
    for name, timer in timers.items():
        timer.timeit(math.ceil(WARM_UP / seconds[name]))
    taken = dict.fromkeys(timers, 0.0)
    for _ in range(pieces):
        for name, timer in timers.items():
            taken[name] += timer.timeit(counts[name])
    return {name: 1e6 * taken[name] / (pieces * counts[name]) for name in timers}


def seconds_of_a_call(timer: Timer) -> float:
    time.sleep(PAUSE)
    return min(timer.repeat(3, 1))


if __name__ == "__main__":
    # Some peers warn of their own deprecated calls in every product.
    warnings.simplefilter("ignore")
    main()
