"""What each detail is worth: undo one at a time, train, and compare with the program as it is.

    python -m tests.figures.ablations                          32 seeds: half an hour on PyPy,
                                                               more than an hour on CPython
    python -m tests.figures.ablations --seeds 2 --steps 100    to try it: some seconds

Each variant is trained with every seed, and compared with the program as it is with the same seed:
the mean loss over all names, and the share of samples that are names of the list. A difference is
the mean of those of the seeds ± its standard error. It is **bold** if it is beyond two standard
errors. Chance alone takes about one difference of twenty that far.
"""
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from math import inf, sqrt
from statistics import mean, stdev
from unittest import mock

import microgpt
from microgpt import attend, attend_backward, cross_entropy_backward
from tests.figures.common import (
    Learner, in_parallel, new_parser, parse, print_table, python, read_names, run, share_taught)


def attend_to_itself(q, keys, values):
    """attend, with all the weight on the position itself. attend_backward fits: no score counts."""
    own = range(len(keys) - len(q), len(keys))
    return values[own[0] :], [[float(s == t) for s in range(len(keys))] for t in own]


def enlarged(q):
    """q · √D, which attend divides by √D again."""
    return [[sqrt(len(q_t)) * q_ti for q_ti in q_t] for q_t in q]


def attend_unscaled(q, keys, values):
    """attend, with scores that are not divided by √D."""
    return attend(enlarged(q), keys, values)


def attend_unscaled_backward(dresult, q, keys, values, weights):
    """Backward of attend_unscaled."""
    dq, dkeys, dvalues = attend_backward(dresult, enlarged(q), keys, values, weights)
    return enlarged(dq), dkeys, dvalues


def summed_loss_backward(probs, targets):
    """Backward of a loss that is the sum of the predictions' losses, not their mean."""
    return [cross_entropy_backward([p], [target])[0] for p, target in zip(probs, targets)]


def with_adam(learner, sequences, **changes):
    """Train with other settings of Adam."""
    learner.adam = microgpt.Adam(learner.model, replace(learner.settings, **changes))
    return sequences


def with_full_projections(learner, sequences):
    """Draw wo and fc2 as all other matrices are drawn."""
    for layer in learner.model.layers:
        for w in (layer.wo, layer.fc2):
            w[:] = [[learner.rng.normal(sigma=0.02) for _ in row] for row in w]
    return sequences


def without_last_position(learner, sequences):
    """Train on sequences cut to block_size tokens, not to block_size inputs and their targets."""
    return [ids[: learner.settings.block_size] for ids in sequences]


FOREVER = 10**15  # steps, in which the learning rate hardly falls
VARIANTS = {  # by name: what is replaced in microgpt, and what is done before training
    "as it is": ({}, None),
    "each position sees only itself": ({"attend": attend_to_itself}, None),
    "a constant learning rate of 0.01": ({}, partial(with_adam, steps=FOREVER)),
    "a constant learning rate of 0.005": ({}, partial(with_adam, steps=FOREVER, lr=0.005)),
    "a learning rate that falls from 0.005": ({}, partial(with_adam, lr=0.005)),
    "a learning rate that falls from 0.02": ({}, partial(with_adam, lr=0.02)),
    "β2 = 0.999": ({}, partial(with_adam, beta2=0.999)),
    "the loss summed, not averaged": ({"cross_entropy_backward": summed_loss_backward}, None),
    "the last position left untrained": ({}, without_last_position),
    "wo and fc2 not starting at zero": ({}, with_full_projections),
    "scores not divided by √D": (
        {"attend": attend_unscaled, "attend_backward": attend_unscaled_backward}, None),
}


def measure(name, settings, names, samples):
    """Train one variant with one seed: its mean loss, and its share of names of the list."""
    functions, prepare = VARIANTS[name]
    learner = Learner(settings, names)
    sequences = learner.sequences(names)
    with ExitStack() as stack:
        for function, replacement in functions.items():
            stack.enter_context(mock.patch.object(microgpt, function, replacement))
        for _ in learner.train(prepare(learner, sequences) if prepare else sequences):
            pass
        loss = learner.mean_loss(sequences)
        return loss, share_taught(learner.samples(samples), names, settings.block_size)


def compared(values, others):
    """The mean of values - others and its standard error, pair by pair."""
    differences = [a - b for a, b in zip(values, others)]
    if len(differences) < 2:
        return differences[0], inf  # one says nothing of the spread
    return mean(differences), stdev(differences) / sqrt(len(differences))


def cell(difference, error, form, factor=1):
    """A difference and its standard error, bold if it is beyond two of them."""
    text = f"{factor * difference:+{form}} ± {factor * error:{form}}"
    return f"**{text}**" if abs(difference) > 2 * error else text


def main(arguments):
    """Train every variant with every seed, and print the table."""
    parser = new_parser("ablations", __doc__, seeds=(32, "train with the seeds 1 to this"),
                        samples=(1000, "samples of each trained model"))
    own, settings = parse(parser, arguments)
    names, seeds = read_names(parser, settings.data), range(1, own.seeds + 1)
    pairs = [(name, seed) for seed in seeds for name in VARIANTS]
    jobs = [(name, replace(settings, seed=seed), names, own.samples) for name, seed in pairs]
    results = dict(zip(pairs, in_parallel(measure, jobs, len(jobs) * settings.steps)))

    print(f"{python()}, seeds 1 to {own.seeds}, {settings.steps:,} steps\n")
    usual_losses, usual_shares = zip(*(results["as it is", seed] for seed in seeds))
    rows = []
    for name in VARIANTS:
        losses, shares = zip(*(results[name, seed] for seed in seeds))
        differences = (cell(*compared(losses, usual_losses), ".3f"),
                       cell(*compared(shares, usual_shares), ".1f", factor=100))
        by_loss, by_share = differences if name != "as it is" else ("", "")
        rows.append((name, f"{mean(losses):.3f}", by_loss, f"{mean(shares):.0%}", by_share))
    print_table(["undone", "mean loss", "difference", "taught names", "difference, % of samples"],
                rows)


if __name__ == "__main__":
    run(main)
