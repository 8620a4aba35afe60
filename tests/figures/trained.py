"""A trained model as text, a character for each parameter, as microgpt.TRAINED is one.

    python -m tests.figures.trained                TRAINED, on CPython 3.13 for Linux; elsewhere, a
                                                   model much like it. Takes half a minute
    python -m tests.figures.trained --data FILE    a model of your own, to send to a friend

Prints the text, and the Python that makes a model of it. A parameter below -2.37 or above 2.42
becomes that number.
"""
from time import perf_counter

import microgpt
from tests.figures.common import Learner, new_parser, parse, run, show_progress

WIDTH = 96


def to_text(model):
    """All parameters of a model as lines of characters from # to ~, so that none is a quote or a
    space. microgpt.load reads them."""
    numbers = [number for w in microgpt.matrices(model) for row in w for number in row]
    text = "".join(chr(min(max(round(80 + 19 * number), ord("#")), ord("~"))) for number in numbers)
    return "\n".join(text[i : i + WIDTH] for i in range(0, len(text), WIDTH))


def main(arguments):
    """Train a model, and print it."""
    _, settings, names = parse(new_parser("trained", __doc__), arguments)
    learner, start = Learner(settings, names), perf_counter()
    for done in learner.train(learner.sequences, every=100):
        show_progress(done, settings.steps, "training steps", start)
    show_progress()
    sizes = ", ".join(f"{name}={getattr(settings, name)}"
                      for name in ("n_embd", "n_head", "n_layer", "block_size"))
    documents = "NAMES" if settings.data is None else f"read_documents({settings.data!r})"
    print(f'''TEXT = r"""
{to_text(learner.model)}
"""

from microgpt import *

vocabulary = Vocabulary({documents})
model = load(TEXT, Settings({sizes}), len(vocabulary.tokens))
print(generate(model, vocabulary, Xoshiro(seed=7)))''')


if __name__ == "__main__":
    run(main)
