"""Undo one detail at a time, train, and see what it was worth.

    python -m tests.ablations

Each row: 5,000 steps with three seeds, then the mean loss over all names and the share of 1,000
samples that are names from the list. Uses every processor; takes some minutes.
"""
import platform
import statistics
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from unittest import mock

import microgpt
from tests.learning import SAMPLES, Learner

SEEDS = (1, 2, 3)


def attend_to_itself(q, keys, values):
    """Attention of a position that sees nothing but itself."""
    return values[-1], [0.0] * (len(keys) - 1) + [1.0]


def summed_loss_backward(dloss, probs, target):
    """The backward pass of a loss that is the sum of the predictions' losses, not their mean."""
    return cross_entropy_backward(1.0, probs, target)


cross_entropy_backward = microgpt.cross_entropy_backward


def fill_output_projections(learner):
    """Draw wo and fc2 as all other matrices are drawn."""
    for layer in learner.model.layers:
        for matrix in (layer.wo, layer.fc2):
            for row in matrix:
                row[:] = [learner.rng.normal(0.02) for _ in row]


def leave_last_position_untrained(learner):
    """Cut the training sequences to block_size tokens instead of block_size inputs."""
    learner.sequences = [s[: len(learner.model.wpe)] for s in learner.sequences]


VARIANTS = {
    "as it is": {},
    "no cache: a position sees only itself": {"patch": {"attend": attend_to_itself}},
    "β2 = 0.999": {"adam": {"beta2": 0.999}},
    "a constant learning rate": {"adam": {"steps": 10**15}},
    "output projections not starting at zero": {"prepare": fill_output_projections},
    "the loss summed, not averaged": {"patch": {"cross_entropy_backward": summed_loss_backward}},
    "the last position left untrained": {"prepare": leave_last_position_untrained},
}


def measure(name, seed):
    """Mean loss over the names and share of real names of one variant, trained with one seed."""
    variant = VARIANTS[name]
    settings = microgpt.Settings(seed=seed)
    with ExitStack() as stack:
        for function, stand_in in variant.get("patch", {}).items():
            stack.enter_context(mock.patch.object(microgpt, function, stand_in))
        learner = Learner(settings, replace(settings, **variant.get("adam", {})))
        whole = learner.sequences
        variant.get("prepare", lambda learner: None)(learner)
        learner.learn(range(settings.steps))
        real = sum(sample in learner.names for sample in learner.samples())
        return learner.mean_loss(whole), real / SAMPLES


def main():
    print(platform.python_implementation(), platform.python_version())
    jobs = [(name, seed) for name in VARIANTS for seed in SEEDS]
    with ProcessPoolExecutor() as pool:
        results = dict(zip(jobs, pool.map(measure, *zip(*jobs))))
    print("| undone | mean loss | seeds | real names | seeds |")
    print("| --- | --- | --- | --- | --- |")
    for name in VARIANTS:
        losses, shares = zip(*(results[name, seed] for seed in SEEDS))
        print(f"| {name} | {statistics.mean(losses):.3f} | {min(losses):.3f} to {max(losses):.3f} "
              f"| {statistics.mean(shares):.0%} | {min(shares):.0%} to {max(shares):.0%} |")


if __name__ == "__main__":
    main()
