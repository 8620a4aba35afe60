"""What each detail is worth: undo one at a time, train, and compare with the program as it is.

    python -m tests.figures.ablations                          16 seeds: 10 minutes on PyPy,
                                                               20 on CPython
    python -m tests.figures.ablations --seeds 2 --steps 100    to try it: some seconds

Each variant is compared with the program as it is, with the same seeds: the mean loss over all
names, and the share of samples that are names of the list. A difference is a mean over seeds ± its
standard error, and **bold** beyond two of them. Chance takes one of twenty that far.
"""
from dataclasses import replace
from functools import partial
from math import inf, sqrt
from statistics import mean, stdev
from unittest import mock

import microgpt
from microgpt import attend, attend_backward, cross_entropy_backward, loss_and_gradient
from tests.figures.common import Learner, in_parallel, new_parser, parse, print_table, python, run


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


def shorter_loss_and_gradient(model, ids):
    """loss_and_gradient of ids cut to block_size tokens, not to block_size inputs and a target."""
    return loss_and_gradient(model, ids[: len(model.wpe)])


def replacing(learner, **functions):
    """Replace functions of microgpt, until mock.patch.stopall."""
    for name, function in functions.items():
        mock.patch.object(microgpt, name, function).start()


def with_adam(learner, **changes):
    """Give Adam other settings."""
    learner.adam = microgpt.Adam(learner.model, replace(learner.settings, **changes))


def with_full_projections(learner):
    """Draw wo and fc2 as all other matrices are drawn."""
    for layer in learner.model.layers:
        for w in (layer.wo, layer.fc2):
            w[:] = [[learner.rng.normal(sigma=0.02) for _ in row] for row in w]


FOREVER = 10**15  # steps, in which the learning rate hardly falls
VARIANTS = {  # what is done before training
    "as it is": replacing,
    "each position sees only itself": partial(replacing, attend=attend_to_itself),
    "a constant learning rate of 0.01": partial(with_adam, steps=FOREVER),
    "a constant learning rate of 0.005": partial(with_adam, steps=FOREVER, lr=0.005),
    "a learning rate that falls from 0.005": partial(with_adam, lr=0.005),
    "a learning rate that falls from 0.02": partial(with_adam, lr=0.02),
    "β2 = 0.999": partial(with_adam, beta2=0.999),
    "the loss summed, not averaged": partial(
        replacing, cross_entropy_backward=summed_loss_backward),
    "the last position left untrained": partial(
        replacing, loss_and_gradient=shorter_loss_and_gradient),
    "wo and fc2 not starting at zero": with_full_projections,
    "scores not divided by √D": partial(
        replacing, attend=attend_unscaled, attend_backward=attend_unscaled_backward),
}


def measure(name, settings, names, samples):
    """Train one variant with one seed: its mean loss, and how many % of samples are in the list."""
    learner = Learner(settings, names)
    VARIANTS[name](learner)
    for _ in learner.train(learner.sequences):
        pass
    loss, written = learner.mean_loss(learner.sequences), learner.samples(samples)
    mock.patch.stopall()
    return loss, 100 * mean(in_list for _, in_list in written)


def cell(values, others, form):
    """The mean of values - others, pair by pair, ± its standard error; bold beyond two of them."""
    differences = [a - b for a, b in zip(values, others)]
    difference, error = mean(differences), inf  # as one seed says nothing of chance
    if len(differences) > 1:
        error = stdev(differences) / sqrt(len(differences))
    text = f"{difference:+{form}} ± {error:{form}}"
    return f"**{text}**" if abs(difference) > 2 * error else text


def main(arguments):
    """Train every variant with every seed, and print the table."""
    parser = new_parser("ablations", __doc__, seeds=16, samples=1000)
    own, settings, names = parse(parser, arguments)
    jobs = [(name, replace(settings, seed=seed), names, own.samples)
            for name in VARIANTS for seed in range(1, own.seeds + 1)]
    results = in_parallel(measure, jobs, len(jobs) * settings.steps)

    print(f"{python()}, seeds 1 to {own.seeds}, {settings.steps:,} steps")
    usual_losses, usual_shares = zip(*results[: own.seeds])
    rows = []
    for i, name in enumerate(VARIANTS):
        losses, shares = zip(*results[i * own.seeds : (i + 1) * own.seeds])
        by_loss = cell(losses, usual_losses, ".3f") if i else ""
        by_share = cell(shares, usual_shares, ".1f") if i else ""
        rows.append((name, f"{mean(losses):.3f}", by_loss, f"{mean(shares):.0f}%", by_share))
    print_table(["undone", "mean loss", "difference", "taught names", "difference, % of samples"],
                rows)


if __name__ == "__main__":
    run(main)
