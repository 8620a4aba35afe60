"""What several test files share: the project, small models, the way to the oracle, differences."""
import contextlib
import io
import math
import os
import random
import tempfile
from pathlib import Path

import microgpt
from tests import oracle

PROJECT = Path(__file__).resolve().parent.parent
STEP_0 = "step     0  loss=3.2943  | m<BOS>kv<BOS>tpl  kygocwfv  vydcdhlm  kyagrgna  jshozhxr"


def prepared(documents, **values):
    """Settings of these values, vocabulary, rng and a new model, as the program makes them."""
    settings = microgpt.Settings(**values)
    vocabulary = microgpt.Vocabulary(documents)
    rng = microgpt.Xoshiro(settings.seed)
    return settings, vocabulary, rng, microgpt.init_model(settings, len(vocabulary.tokens), rng)


def work_in_a_temporary_folder(test):
    """Make a folder, the current one until this test ends."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    test.addCleanup(os.chdir, os.getcwd())
    os.chdir(folder.name)


def printed(function, *arguments):
    """What a function prints, as a list of lines."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        function(*arguments)
    return output.getvalue().splitlines()


def numbers(seed, *shape):
    """Random numbers around zero in nested lists of this shape, the same for the same seed."""
    source = random.Random(seed)

    def build(sizes):
        if not sizes:
            return source.uniform(-1.0, 1.0)
        return [build(sizes[1:]) for _ in range(sizes[0])]

    return build(shape)


def small_model(vocab_size=6, seed=1, scale=1.0, **sizes):
    """A model in which every number is random: wo and fc2 too, so that every path carries."""
    settings = microgpt.Settings(**{"n_embd": 8, "n_head": 2, "block_size": 5, **sizes})
    model = microgpt.init_model(settings, vocab_size, microgpt.Xoshiro(seed))
    for i, w in enumerate(parameters(model)):
        w[:] = each(lambda number: scale * number, numbers(seed * 1000 + i, len(w), len(w[0])))
    return model


def parameters(model):
    """Every matrix of a model, listed here by name and not by the program."""
    names = ("wq", "wk", "wv", "wo", "fc1", "fc2")
    return [model.wte, model.wpe] + [getattr(layer, n) for layer in model.layers for n in names]


def each(function, values):
    """The function of every number in nested lists or a model, in the same shape."""
    if isinstance(values, microgpt.Model):
        wte, wpe, layers = each(function, [values.wte, values.wpe, values.layers])
        return microgpt.Model(values.n_head, wte, wpe, layers)
    if isinstance(values, microgpt.Layer):
        return microgpt.Layer(**{name: each(function, w) for name, w in vars(values).items()})
    if isinstance(values, (list, tuple)):
        return [each(function, value) for value in values]
    return function(values)


def to_oracle(values):
    """Numbers as the oracle's Scalars, in nested lists or a model."""
    return each(oracle.Scalar, values)


def values_of(scalars):
    """The way back: the numbers themselves."""
    return each(lambda scalar: scalar.data, scalars)


def slopes_of(scalars):
    """The way back: the gradient, once `backward` has been called."""
    return each(lambda scalar: scalar.grad, scalars)


def flat(values):
    """The numbers in nested lists or a model, in one list."""
    if isinstance(values, microgpt.Model):
        return flat(parameters(values))
    if isinstance(values, (list, tuple)):
        return [number for value in values for number in flat(value)]
    return [values]


def shape(values):
    """The lengths of nested lists, so that a wrong shape can't hide behind the right numbers."""
    if isinstance(values, microgpt.Model):
        return shape(parameters(values))
    return [shape(value) for value in values] if isinstance(values, (list, tuple)) else 0


def difference(actual, expected):
    """The largest difference over the largest expected number; infinite for another shape."""
    if shape(actual) != shape(expected):
        return math.inf
    a, b = flat(actual), flat(expected)
    if not all(map(math.isfinite, a + b)):
        return math.inf  # max() can lose a nan
    largest = max(abs(a_i - b_i) for a_i, b_i in zip(a, b))
    return largest / (max(map(abs, b)) or 1.0)


def central_differences(function, values, h=1e-5):
    """d function() / d values, by nudging every number of the nested lists in turn, in place."""
    slopes = []
    for i, value in enumerate(values):
        if isinstance(value, list):
            slopes.append(central_differences(function, value, h))
            continue
        values[i] = value + h
        above = function()
        values[i] = value - h
        below = function()
        values[i] = value
        slopes.append((above - below) / (2 * h))
    return slopes
