"""How well the model learns: its mean loss over the names as training goes on, and its samples.

    python -m tests.learning

The floor is what a model that knew the names by heart, and nothing else, would reach: after BOS it
has to guess which of the n names it is, ln n in all, shared among the name's tokens.
"""
import math
import platform
import statistics

import microgpt

SAMPLES = 1000


class Learner:
    """A model in training on one list of names."""

    def __init__(self, settings, adam_settings=None):
        self.names = microgpt.read_documents(settings.data)
        self.vocabulary = microgpt.Vocabulary(self.names)
        self.sequences = [self.vocabulary.sequence(n, settings.block_size) for n in self.names]
        self.rng = microgpt.Xoshiro(settings.seed)
        self.model = microgpt.init_model(settings, len(self.vocabulary.tokens), self.rng)
        self.adam = microgpt.Adam(self.model, adam_settings or settings)

    def learn(self, steps):
        """Train on the sequences, one a step; `steps` is a range."""
        for step in steps:
            tokens = self.sequences[step % len(self.sequences)]
            _, *kept = microgpt.forward_sequence(self.model, tokens)
            gradient = microgpt.backward(self.model, tokens, *kept)
            self.adam.update(self.model, gradient, step)

    def mean_loss(self, sequences):
        """The mean over sequences of each one's loss."""
        return statistics.mean(microgpt.forward_sequence(self.model, s)[0] for s in sequences)

    def samples(self):
        """SAMPLES samples, as text."""
        return [
            self.vocabulary.decode(microgpt.generate(self.model, self.rng)) for _ in range(SAMPLES)
        ]


def floor(learner):
    """ln n divided by the mean number of predicted tokens of a name."""
    return math.log(len(learner.names)) / statistics.mean(len(s) - 1 for s in learner.sequences)


def main():
    print(platform.python_implementation(), platform.python_version())
    settings = microgpt.Settings()
    learner = Learner(settings)
    print(f"floor {floor(learner):.3f}")
    print("after step   mean loss")
    print(f"{0:10}   {learner.mean_loss(learner.sequences):9.3f}")
    for start in range(0, settings.steps, 500):
        learner.learn(range(start, start + 500))
        print(f"{start + 500:10}   {learner.mean_loss(learner.sequences):9.3f}", flush=True)
    samples = learner.samples()
    taught = [s for s in samples if s in learner.names]
    new = [s for s in samples if s not in learner.names]
    print(f"of {SAMPLES} samples, {len(taught)} are names it was taught "
          f"({len(set(taught))} different ones), {len(new)} are new")
    print("taught:", ", ".join(list(dict.fromkeys(taught))[:12]))
    print("new:   ", ", ".join(list(dict.fromkeys(new))[:12]))


if __name__ == "__main__":
    main()
