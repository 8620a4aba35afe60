"""What several test files share: small models, the way to the oracle and back, differences."""
import math
import random

import microgpt
from tests.oracle import Oracle, Scalar


def numbers(seed, *shape):
    """Random numbers around zero in nested lists of this shape, the same for the same seed."""
    source = random.Random(seed)

    def build(sizes):
        if not sizes:
            return source.uniform(-1.0, 1.0)
        return [build(sizes[1:]) for _ in range(sizes[0])]

    return build(shape)


def small_model(vocab_size=6, seed=1, **sizes):
    """A model in which every number is random: wo and fc2 too, so that every path carries."""
    settings = microgpt.Settings(**{"n_embd": 8, "n_head": 2, "block_size": 5, **sizes})
    model = microgpt.init_model(settings, vocab_size, microgpt.Xoshiro(seed))
    for i, matrix in enumerate(parameters(model)):
        matrix[:] = numbers(seed * 1000 + i, len(matrix), len(matrix[0]))
    return model


def parameters(model):
    """Every matrix of a microgpt model, listed here by name and not by the program."""
    names = ("wq", "wk", "wv", "wo", "fc1", "fc2")
    return [model.wte, model.wpe] + [getattr(layer, n) for layer in model.layers for n in names]


def turned(matrix):
    """Rows become columns."""
    return [list(column) for column in zip(*matrix)]


def to_oracle(model):
    """The oracle with the parameters of a microgpt model. It keeps fc2 the other way around."""
    layers = [{**vars(layer), "fc2": turned(layer.fc2)} for layer in model.layers]
    return Oracle(model.n_head, model.wte, model.wpe, layers)


def oracle_gradient(model, tokens):
    """The oracle's loss on tokens, and its gradient as a microgpt model."""
    oracle = to_oracle(model)
    loss = oracle.loss(tokens)
    return loss.data, gradient_of(loss, oracle)


def gradient_of(loss, oracle):
    """The slope of a loss in every parameter of the oracle, as a microgpt model."""
    loss.backward()
    wte, wpe, layers = nested(lambda p: p.grad, [oracle.wte, oracle.wpe, oracle.layers])
    layers = [microgpt.Layer(**{**layer, "fc2": turned(layer["fc2"])}) for layer in layers]
    return microgpt.Model(oracle.n_head, wte, wpe, layers)


def nested(function, values):
    """The function of every number in nested lists and dicts, in the same shape."""
    if isinstance(values, dict):
        return {key: nested(function, value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [nested(function, value) for value in values]
    return function(values)


def lifted(values):
    """Nested lists of floats as nested lists of the oracle's Scalars."""
    return nested(Scalar, values)


def flat(values):
    """Nested lists as one flat list."""
    if isinstance(values, (list, tuple)):
        return [number for value in values for number in flat(value)]
    return [values]


def shape(values):
    """The lengths of nested lists, so that a wrong shape can't hide behind the right numbers."""
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
