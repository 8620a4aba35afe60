"""A trained model as text, a character for each parameter, as microgpt.TRAINED is one.

    python -m tests.figures.trained                TRAINED, on CPython 3.13 for Linux; elsewhere, a
                                                   model much like it. Takes half a minute
    python -m tests.figures.trained --data FILE    a model of your own, to send to a friend

Prints the text, and the Python that makes a model of it.
"""
import sys

import microgpt
from tests.figures.common import Learner, in_parallel, new_parser, parse, read_names, run

WIDTH = 96


def to_text(model, clip=False):
    """All parameters of a model as lines of characters, which microgpt.load reads.

    Raises ValueError if a parameter is below -2.39 or above 2.44, as no character stands for it;
    clip takes the nearest one.
    """
    characters = [character(parameter, clip) for w in microgpt.matrices(model) for row in w
                  for parameter in row]
    return "\n".join("".join(characters[i : i + WIDTH]) for i in range(0, len(characters), WIDTH))


def character(parameter, clip):
    """The character for a parameter: from # to ~, so that none is a quote or a space."""
    code = round(80 + 19 * parameter)
    nearest = min(max(code, ord("#")), ord("~"))
    if code != nearest and not clip:
        raise ValueError(f"no character from # to ~ stands for a parameter of {parameter:.2f}")
    return chr(nearest)


def train(settings, names):
    """A model that is trained as microgpt.py does it."""
    learner = Learner(settings, names)
    for _ in learner.train(learner.sequences(names)):
        pass
    return learner.model


def main(arguments):
    """Train a model, and print it."""
    parser = new_parser("trained", __doc__)
    _, settings = parse(parser, arguments)
    names = read_names(parser, settings.data)
    [model] = in_parallel(train, [(settings, names)], settings.steps)
    try:
        text = to_text(model)
    except ValueError as error:
        print(f"{error}: the nearest is taken", file=sys.stderr)
        text = to_text(model, clip=True)
    default, sizes = microgpt.Settings(), ("n_embd", "n_head", "n_layer", "block_size")
    changed = [f"{size}={getattr(settings, size)}" for size in sizes
               if getattr(settings, size) != getattr(default, size)]
    documents = "NAMES" if settings.data is None else f"read_documents({settings.data!r})"
    print(f'TEXT = r"""\n{text}\n"""\n')
    print("from microgpt import *\n")
    print(f"vocabulary = Vocabulary({documents})")
    print(f"model = load(TEXT, Settings({', '.join(changed)}), len(vocabulary.tokens))")
    print("print(generate(model, vocabulary, Xoshiro(seed=7)))")


if __name__ == "__main__":
    run(main)
