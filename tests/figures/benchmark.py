"""How long a training step takes, against scalar automatic differentiation in the same run.

    python -m tests.figures.benchmark        half a minute; a minute on CPython 3.9

Both programs take the same steps in turn. Times are processor time, medians of all turns, and the
garbage collector is off: the scalar program, with a hundred thousand nodes a step, would spend half
of its time in it. Other work on the machine still changes the ratio: wait until it is quiet.
"""
import gc
import platform
from dataclasses import replace
from itertools import count, cycle, islice
from statistics import mean, median
from time import perf_counter, process_time

import microgpt
from tests import oracle
from tests.figures.common import Learner, new_parser, parse, print_table, python, run, show_progress
from tests.helpers import flat, to_oracle

STEPS_A_TURN = 4
SIZES = [(16, 1, 8, 60), (32, 1, 8, 40), (64, 1, 8, 30), (64, 4, 16, 12)]  # the last: steps


def our_step(learner, ids, step):
    """One training step of microgpt.py: the milliseconds of forward, backward, Adam and in all."""
    model, clock = learner.model, [process_time()]
    logits, trace = microgpt.forward(model, ids[:-1], microgpt.new_cache(model))
    _, probs = microgpt.cross_entropy(logits, ids[1:])
    clock.append(process_time())
    dlogits = microgpt.cross_entropy_backward(probs, ids[1:])
    dmodel = microgpt.backward(model, ids[:-1], dlogits, trace)
    clock.append(process_time())
    learner.adam.update(model, dmodel, step)
    clock.append(process_time())
    parts = [1000 * (b - a) for a, b in zip(clock, clock[1:])]
    return *parts, sum(parts)


def scalar_step(model, adam, ids, step):
    """One training step of the oracle: its milliseconds."""
    start = process_time()
    oracle.loss(model, ids)
    adam.update(step)
    return 1000 * (process_time() - start)


def compare(settings, names, turns, warm_up):
    """Print the times of both on the same steps, in turn, after `warm_up` steps of ours."""
    show_progress(0, turns + 1, "turns")
    learner, start, rows = Learner(settings, names), perf_counter(), []
    jobs = zip(cycle(learner.sequences), count())  # sequences and steps, without end
    for job in islice(jobs, warm_up):
        our_step(learner, *job)
    model = to_oracle(learner.model)
    adam = oracle.TextbookAdam(
        flat(model), settings.lr, settings.beta1, settings.beta2, settings.steps)
    for turn in range(turns + 1):
        todo = list(islice(jobs, STEPS_A_TURN))
        scalar = mean(scalar_step(model, adam, *job) for job in todo)
        parts = [mean(times) for times in zip(*(our_step(learner, *job) for job in todo))]
        if turn:  # the first one warms both up
            rows.append((scalar, *parts, scalar / parts[-1]))
        show_progress(turn + 1, turns + 1, "turns", start)
    show_progress()
    columns = list(zip(*rows))
    print_table(
        ["scalar, ms a step", "forward", "backward", "Adam", "microgpt.py, ms a step",
         "times faster", "range"],
        [[*(f"{median(column):.2f}" for column in columns),
          f"{min(columns[-1]):.1f} to {max(columns[-1]):.1f}"]])


def growth(settings, names):
    """Print how the cost of an early step grows with the model."""
    rows, start = [], perf_counter()
    for n_embd, n_layer, block_size, steps in SIZES:
        show_progress(len(rows), len(SIZES), "sizes", start)
        sizes = replace(settings, n_embd=n_embd, n_layer=n_layer, block_size=block_size)
        learner = Learner(sizes, names)
        jobs = zip(cycle(learner.sequences), range(2 * steps))
        times = [our_step(learner, *job)[-1] for job in jobs]
        rows.append((n_embd, n_layer, block_size, f"{microgpt.count_parameters(learner.model):,}",
                     f"{mean(times[steps:]):.2f}"))
    show_progress()
    print_table(["C", "layers", "block", "parameters", "ms a step"], rows)


def main(arguments):
    """Time both, and print tables."""
    parser = new_parser("benchmark", __doc__, turns=9, warm_up=1000)
    own, settings, names = parse(parser, arguments)
    gc.disable()
    print(f"{python()}, {platform.machine()}", flush=True)
    compare(settings, names, own.turns, own.warm_up)
    growth(settings, names)
    gc.enable()


if __name__ == "__main__":
    run(main)
