"""microgpt: how a GPT learns, in one file, with nothing but Python's standard library.

A GPT reads the tokens so far (here: letters) and answers with a probability for each token that
could come next. This file builds one, trains it on a list of names, and lets it invent names:

    python microgpt.py            train with the defaults, about half a minute
    python microgpt.py --help     what can be changed

How it learns, in one breath: the model has a few thousand numbers, its parameters, at first random
or zero. It predicts every letter of a name; the loss says how surprised it was by the real ones.
The gradient says, for each parameter, how the loss would change if that number grew. Each number
takes a small step the way the loss falls. Then comes the next name, five thousand times.

Read from top to bottom: code uses only what stands above it. Every gradient is derived by hand,
beside the function that it belongs to. You need to know Python and, from school calculus, how to
find slopes, above all the chain rule: if x acts on the loss through y, the slopes multiply; if it
acts through several y, the products add up. Each section that begins with `# %%` can be pasted
into a notebook cell of its own, in order.

Notation, the same everywhere:

    C       the length of the vectors inside the model (n_embd)
    H, D    the number of attention heads, and the length of one head's vectors: H · D = C
    V       the number of tokens there are
    T       the number of positions in a sequence; t is one of them, s any of 0, 1, …, t
    m, n    any two sizes, where a function does not care
    i, j    indices into rows and columns; x_i in code is x[i]
    dx      the gradient of the loss with respect to x, in the shape of x: dx[i] is ∂loss/∂x[i]
    ∂y/∂x   the slope of y with respect to x. The chain rule in this notation, adding up over every
            y[i] that x[j] acts on: dx[j] = Σ_i dy[i] · ∂y[i]/∂x[j]
    ln      the natural logarithm, `log` in Python
    a · b   the product of two numbers, or the dot product of two vectors

A vector is a list of numbers. A matrix is a list of rows, each a vector. Shapes stand in square
brackets: `w [m, n], x [n] -> [m]` takes a matrix and a vector and gives a vector of length m.
"""

# %% 1. Settings
# What flags can change, in one place. Nothing below knows that C is 16 or that there is one layer.
# The words will make sense as you read on; for now it is enough to know that the numbers are here.

import argparse
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from math import cos, exp, inf, isfinite, log, pi, sqrt
from operator import mul
from pathlib import Path
from typing import NamedTuple

# In a notebook there is no __file__, and names.txt is looked for in the current folder.
NAMES = Path(globals().get("__file__", "microgpt.py")).with_name("names.txt")


def flag(name):
    """The command-line flag of a setting: n_embd -> --n-embd."""
    return "--" + name.replace("_", "-")


def require(condition, message):
    """Raise ValueError with this message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def setting(default, meaning):
    """A field of Settings with its default and the words that --help shows for it."""
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class Settings:
    """Every value that a flag can set. Raises ValueError, naming the flag, for a senseless value.

    >>> Settings(n_layer=2).n_layer, Settings().n_embd
    (2, 16)
    """

    n_embd: int = setting(16, "length of the vectors inside the model; a multiple of --n-head")
    n_head: int = setting(4, "attention heads: how many things a position can look for at once")
    n_layer: int = setting(1, "layers (transformer blocks), one after the other")
    block_size: int = setting(8, "longest input sequence, in tokens; also the longest sample")
    steps: int = setting(5000, "training steps, one name each")
    lr: float = setting(0.01, "learning rate: how far a step goes at the start; falls towards zero")
    beta1: float = setting(0.9, "how slowly Adam's running mean of the gradient changes")
    beta2: float = setting(0.95, "how slowly Adam's running mean of the squared gradient changes")
    seed: int = setting(42, "start of the random generator, from 0 to 2**64 - 1")
    data: str = setting(str(NAMES), "text file to learn from, one name a line, in UTF-8")

    def __post_init__(self):
        for name in ("n_embd", "n_head", "n_layer", "block_size", "steps"):
            value = getattr(self, name)
            require(value >= 1, f"{flag(name)} must be 1 or more, not {value}")
        fits = self.n_embd % self.n_head == 0
        require(fits, f"--n-embd {self.n_embd} must be a multiple of --n-head {self.n_head}")
        require(0 < self.lr < inf, f"--lr must be a positive finite number, not {self.lr}")
        for name in ("beta1", "beta2"):
            value = getattr(self, name)
            require(0 <= value < 1, f"{flag(name)} must be 0 or more and below 1, not {value}")
        require(0 <= self.seed < 2**64, f"--seed must be from 0 to 2**64 - 1, not {self.seed}")


# %% 2. Random numbers
# Chance enters twice: in the first values of the parameters, and when a sample is drawn. Python's
# `random` would do. This generator is short enough to read, and in any language the same seed gives
# the same draws.


class Xoshiro:
    """The generator xoshiro128+ (Blackman and Vigna 2021), seeded with 64 bits.

    `state` is four 32-bit words, mixed by shifts, rotation and exclusive or (^). `& MASK` keeps
    the low 32 bits, as a 32-bit machine word would. The constants in the seeding are arbitrary. No
    seed gives a state of four zeros, which no mixing would change.

    >>> rng = Xoshiro(seed=0)
    >>> rng.state = [1, 2, 3, 4]
    >>> [rng.draw() for _ in range(4)]
    [5, 12295, 25178119, 27286542]
    """

    MASK = 2**32 - 1

    def __init__(self, seed):
        low, high = seed & self.MASK, seed >> 32 & self.MASK
        words = low ^ 0xDEADBEEF, high ^ 0xCAFEBABE, low + 1, high + 1
        self.state = [word & self.MASK for word in words]

    def draw(self):
        """The next whole number, from 0 to 2**32 - 1, each equally likely."""
        s0, s1, s2, s3 = self.state
        result = s0 + s3 & self.MASK
        shifted = s1 << 9 & self.MASK
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = (s3 << 11 | s3 >> 21) & self.MASK  # rotated left by 11
        self.state = [s0, s1, s2, s3]
        return result

    def normal(self, sigma):
        """A number from the bell curve with mean 0 and standard deviation sigma.

        Box and Muller (1958), equation 1: two draws, made into numbers from 0 to 1, give a point
        with a random radius and a random angle; this is how far right it lies. The +1 keeps u1
        above 0, where the logarithm exists.
        """
        u1 = (self.draw() + 1) / (2**32 + 1)
        u2 = self.draw() / (2**32 - 1)
        return sigma * sqrt(-2 * log(u1)) * cos(2 * pi * u2)

    def choice(self, weights):
        """A random index into weights [n], each index as likely as its weight's share of the sum.

        The weights lie end to end like planks. A dart lands somewhere along them: on which one?
        """
        dart = self.draw() / (2**32 - 1) * sum(weights)
        for i, weight in enumerate(weights):
            dart -= weight
            if dart <= 0:
                return i
        return len(weights) - 1  # rounding can carry the dart just past the end


# %% 3. Data and vocabulary
# The data is a list of documents; here each is a name. A model computes with numbers, so every
# different character gets one, its id. Two ids stand for no character: BOS says "a document begins
# here", EOS says "it ends here". Characters, BOS and EOS are the tokens.
#
# "emma" becomes BOS e m m a EOS. At each token but the last, the model has to predict the next one,
# so a name of four letters asks five questions: what comes after BOS? After BOS e? And so on, up
# to EOS.

BOS, EOS = 0, 1


def read_documents(path):
    """The lines of a UTF-8 text file that are not blank, without the spaces around them.

    Raises OSError if the file can't be read, ValueError if it is not UTF-8 or has no names.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        advice = "put a text file there with one name a line, or give another with --data"
        raise type(error)(f"cannot read '{path}': {error.strerror}; {advice}") from None
    try:
        lines = content.decode("utf-8-sig").splitlines()  # -sig: a byte-order mark is skipped
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(f"'{path}', line {number}: not UTF-8; save it as UTF-8 text") from None
    documents = [line.strip() for line in lines if line.strip()]
    require(documents, f"'{path}' has no names in it; write one name a line")
    return documents


class Vocabulary:
    """The tokens found in a list of documents: `tokens` are their texts by id, `ids` the reverse.

    >>> vocabulary = Vocabulary(["emma", "mae"])
    >>> vocabulary.tokens
    ['<BOS>', '<EOS>', 'a', 'e', 'm']
    >>> vocabulary.encode("emma"), vocabulary.decode([4, 2, 3])
    ([3, 4, 4, 2], 'mae')
    """

    def __init__(self, documents):
        self.tokens = ["<BOS>", "<EOS>"] + sorted(set("".join(documents)))
        self.ids = {token: i for i, token in enumerate(self.tokens)}

    def encode(self, text):
        """The ids of the characters of a text. Raises KeyError for a character never seen."""
        return [self.ids[character] for character in text]

    def decode(self, ids):
        """The text of a list of ids."""
        return "".join(self.tokens[i] for i in ids)

    def sequence(self, document, block_size):
        """The ids of BOS, the document and EOS, cut to at most block_size + 1 tokens.

        Every token but the last is an input, every token but the first a target. So block_size
        inputs need one token more. A document of block_size characters or more loses its EOS.

        >>> vocabulary = Vocabulary(["emma"])
        >>> vocabulary.sequence("emma", block_size=8), vocabulary.sequence("emma", block_size=3)
        ([0, 3, 4, 4, 2, 1], [0, 3, 4, 4])
        """
        ids = self.encode(document[:block_size])  # the rest of a long line is never looked at
        return [BOS, *ids, EOS][: block_size + 1]


# %% 4. Operations
# All that the model does is done with the few operations below. Forward and backward stand
# together. Forward computes y from x. Backward is given dy, how the loss depends on y, worked out
# by whatever came after; it returns dx, by the chain rule. It is a rule for one small step only:
# chained from the loss back to the parameters, such steps are all of "backpropagation".

try:
    from math import sumprod as dot  # from Python 3.12 on: faster, and rounded more exactly
except ImportError:

    def dot(a, b):
        """The dot product Σ_i a[i] b[i] of two vectors [n]: a number."""
        return sum(map(mul, a, b))


def add(a, b):
    """y[i] = a[i] + b[i]: a [n], b [n] -> y [n]. All slopes are 1, so da and db are dy itself.

    >>> add([1.0, 2.0], [10.0, 20.0])
    [11.0, 22.0]
    """
    return [a_i + b_i for a_i, b_i in zip(a, b)]


def transpose(rows):
    """Rows become columns: [m, n] -> [n, m].

    >>> transpose([[1, 2, 3], [4, 5, 6]])
    [[1, 4], [2, 5], [3, 6]]
    """
    return [list(column) for column in zip(*rows)]


def zeros_like(matrix):
    """Zeros in the shape of a matrix: where gradients are added up."""
    return [[0.0] * len(row) for row in matrix]


# There are two ways to multiply a vector and a matrix. `linear` asks every row how well it matches
# x, by the dot product: large if both have large numbers with the same signs in the same places,
# about 0 if the signs agree as often as not, negative if they are opposed. `weighted_sum` mixes
# the rows into one. Going backward, each needs the other.


def linear(w, x):
    """y[i] = Σ_j w[i][j] x[j]: w [m, n], x [n] -> y [m].

    >>> linear([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [10.0, 1.0])
    [12.0, 34.0, 56.0]
    """
    return [dot(row, x) for row in w]


def weighted_sum(weights, rows):
    """y[j] = Σ_i weights[i] rows[i][j]: weights [m], rows [m, n] -> y [n].

    A row with the weight 0 adds nothing, so it is skipped. In section 6 many weights will be 0.

    >>> weighted_sum([10.0, 0.0, 1.0], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    [15.0, 26.0]
    """
    total = [0.0] * len(rows[0])
    for weight, row in zip(weights, rows):
        if weight:
            total = [total_j + weight * row_j for total_j, row_j in zip(total, row)]
    return total


def add_outer(rows, weights, x):
    """In place, rows[i][j] += weights[i] x[j]: rows [m, n], weights [m], x [n].

    >>> rows = [[0.0, 0.0], [5.0, 6.0]]
    >>> add_outer(rows, [10.0, 1.0], [1.0, 2.0])
    >>> rows
    [[10.0, 20.0], [6.0, 8.0]]
    """
    for i, weight in enumerate(weights):
        if weight:
            rows[i] = [row_j + weight * x_j for row_j, x_j in zip(rows[i], x)]


def linear_backward(dy, w, x, dw):
    """Backward of linear: dy [m], w [m, n], x [n] -> dx [n]. Adds the gradient of w to dw [m, n].

    y[i] = Σ_j w[i][j] x[j]. So x[j] acts on every y[i], with slope w[i][j]; w[i][j] acts on y[i]
    alone, with slope x[j]. Multiply and add up:

        dx[j] = Σ_i dy[i] w[i][j]        dw[i][j] = dy[i] x[j]

    The code adds to dw, because w may be used at other positions too.

    >>> dw = [[0.0, 0.0], [0.0, 0.0]]
    >>> linear_backward([1.0, 10.0], [[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0], dw)
    [31.0, 42.0]
    >>> dw
    [[5.0, 6.0], [50.0, 60.0]]
    """
    add_outer(dw, dy, x)
    return weighted_sum(dy, w)


def weighted_sum_backward(dy, weights, rows, drows):
    """Backward of weighted_sum: dy [n], weights [m], rows [m, n] -> dweights [m]. Adds to drows.

    y[j] = Σ_i weights[i] rows[i][j]. So weights[i] acts on every y[j], with slope rows[i][j];
    rows[i][j] acts on y[j] alone, with slope weights[i]:

        dweights[i] = Σ_j rows[i][j] dy[j]        drows[i][j] = weights[i] dy[j]

    >>> drows = [[0.0, 0.0], [0.0, 0.0]]
    >>> weighted_sum_backward([5.0, 6.0], [1.0, 10.0], [[1.0, 2.0], [3.0, 4.0]], drows)
    [17.0, 39.0]
    >>> drows
    [[5.0, 6.0], [50.0, 60.0]]
    """
    add_outer(drows, weights, dy)
    return linear(rows, dy)


def linear_backward_sequence(dys, w, xs):
    """linear_backward for T positions at once: dys [T, m], w [m, n], xs [T, n] -> dxs, dw.

    All T positions used the same w, so their gradients of w add up. Here dw is not added to, but
    computed whole and returned:

        dxs[t][j] = Σ_i dys[t][i] w[i][j]        dw[i][j] = Σ_t dys[t][i] xs[t][j]

    These are dot products, the first of a row and a column, the second of two columns. Where there
    are few zeros to skip, that is the fastest way.

    >>> linear_backward_sequence([[1.0], [10.0]], [[2.0, 3.0]], [[4.0, 5.0], [6.0, 7.0]])
    ([[2.0, 3.0], [20.0, 30.0]], [[64.0, 75.0]])
    """
    w_columns, x_columns = transpose(w), transpose(xs)  # [n, m], [n, T]
    dxs = [linear(w_columns, dy) for dy in dys]  # [T, n]
    dw = [linear(x_columns, dy_column) for dy_column in transpose(dys)]  # [m, n]
    return dxs, dw


def softmax(x):
    """y[i] = e^x[i] / Σ_j e^x[j]: any numbers [n] -> probabilities [n], which add up to 1.

    The largest x is subtracted from all first, so that e^x can't overflow. That divides numerator
    and denominator by the same number, e^max(x), and changes nothing.

    >>> softmax([0.0, log(3)]), softmax([1000.0, 1000.0])
    ([0.25, 0.75], [0.5, 0.5])
    """
    top = max(x)
    exps = [exp(x_i - top) for x_i in x]
    total = sum(exps)
    return [e / total for e in exps]


def softmax_backward(dy, y):
    """Backward of softmax, from its output: dy [n], y [n] -> dx [n].

    y[i] = e^x[i] / S with S = Σ_j e^x[j]. The slope of S with respect to x[j] is e^x[j]; that of
    the numerator is [i=j] e^x[i], where [i=j] is 1 if i = j and else 0. By the quotient rule

        ∂y[i]/∂x[j] = ([i=j] e^x[i] S - e^x[i] e^x[j]) / S² = y[i] ([i=j] - y[j])
        dx[j] = Σ_i dy[i] y[i] ([i=j] - y[j]) = dy[j] y[j] - y[j] Σ_i dy[i] y[i]

    >>> softmax_backward([1.0, 0.0], [0.25, 0.75])
    [0.1875, -0.1875]
    """
    mean_dy = dot(dy, y)
    return [y_j * (dy_j - mean_dy) for dy_j, y_j in zip(dy, y)]


def cross_entropy(logits, target):
    """The loss of one prediction: logits [V], the id that came next -> -ln p(target), probs [V].

    Logits are scores, one for each token; softmax makes them the probabilities p. -ln p(target)
    is the surprise: 0 if the model was sure of what came, and the larger the less it expected it.
    It is ln V if all V tokens seem equally likely, as they do before training, when all logits
    are near 0. With the 25 letters in names.txt, V is 27 and ln V is 3.30. Why a logarithm: the
    probability of a whole name is the product of its tokens' probabilities, and ln makes it a sum.

    p(target) can be too small for a float, but p of the best token can't. So the code uses
    p(target) = p(best) · e^(logits[target] - logits[best]), of which -ln is
    logits[best] - logits[target] - ln p(best).

    >>> loss, probs = cross_entropy([0.0, log(3)], target=0)
    >>> round(exp(-loss), 10), probs
    (0.25, [0.25, 0.75])
    """
    probs = softmax(logits)
    return max(logits) - logits[target] - log(max(probs)), probs


def cross_entropy_backward(dloss, probs, target):
    """Backward of cross_entropy: dloss (a number), probs [V], target -> dlogits [V].

    loss = -ln(e^logits[target] / S) = ln S - logits[target], with S = Σ_j e^logits[j]. The slope
    of ln S with respect to logits[i] is e^logits[i] / S, which is probs[i]. So

        dlogits[i] = dloss · probs[i], and at the target dloss · (probs[i] - 1)

    A step against this gradient lowers every logit but that of the token that came, which rises.

    >>> cross_entropy_backward(1.0, [0.25, 0.75], target=0)
    [-0.75, 0.75]
    """
    dlogits = [dloss * p for p in probs]
    dlogits[target] -= dloss
    return dlogits


def rms_scale(x):
    """r = 1 / √(mean(x²) + 1e-5): x [n] -> the factor that makes the mean square of x about 1."""
    return 1 / sqrt(dot(x, x) / len(x) + 1e-5)


def rmsnorm(x):
    """y[i] = r x[i] with r = rms_scale(x): [n] -> [n] (Zhang and Sennrich 2019, equation 4).

    Keeps the direction of x and sets its size, so that what follows always gets numbers of the
    same size. The 1e-5 prevents a division by zero if x is all zeros. (The paper then multiplies by
    a learned gain. This model does without.)

    >>> [round(y_i, 3) for y_i in rmsnorm([3.0, -3.0, 3.0, -3.0])]
    [1.0, -1.0, 1.0, -1.0]
    """
    r = rms_scale(x)
    return [r * x_i for x_i in x]


def rmsnorm_backward(dy, x):
    """Backward of rmsnorm: dy [n], x [n] -> dx [n].

    r = u^(-1/2) with u = Σ_i x[i]² / n + 1e-5. So ∂r/∂x[j] = -1/2 u^(-3/2) · 2 x[j] / n, and as
    u^(-3/2) is r³, that is -(r³ / n) x[j]. Now x[j] acts on y[j] = r x[j] directly, with slope r,
    and on every y[i] through r:

        dx[j] = r dy[j] + Σ_i dy[i] x[i] ∂r/∂x[j] = r dy[j] - (r³ / n) (Σ_i dy[i] x[i]) x[j]

    >>> [round(dx_j, 3) for dx_j in rmsnorm_backward([1.0, 0.0], [2.0, 2.0])]
    [0.25, -0.25]
    """
    r = rms_scale(x)
    through_r = r**3 / len(x) * dot(dy, x)
    return [r * dy_j - through_r * x_j for dy_j, x_j in zip(dy, x)]


def squared_relu(x):
    """y = max(0, x)²: a number -> a number (So et al. 2021, "Primer"). 0 unless x > 0.

    >>> squared_relu(3.0), squared_relu(-3.0)
    (9.0, 0.0)
    """
    return x * x if x > 0 else 0.0


def squared_relu_backward(dy, x):
    """Backward of squared_relu: dx = 2 max(0, x) dy. Above 0, y is x², with slope 2 x; else flat.

    >>> squared_relu_backward(10.0, 3.0), squared_relu_backward(10.0, -3.0)
    (60.0, 0.0)
    """
    return 2 * x * dy if x > 0 else 0.0


# %% 5. Attention
# Inside the model each position has one vector, x [C]. It begins as numbers that stand for its
# token and its place (section 7), layer after layer adds to it, and at the end it tells which
# token comes next. Without attention, no x would know of any other.
#
# Attention lets a position gather from itself and those before it. Each x is made into three
# vectors: a query (what am I looking for?), a key (what can I be found by?) and a value (what do I
# tell when I am found?). A position compares its query with the keys of all positions so far. The
# better the match, the more of that position's value it takes. Later positions are not there yet,
# so no prediction can peek at its own answer.
#
# And so a position's x depends on its own token and earlier ones only. Its key and its value never
# change when the sequence goes on, and can be kept in a cache: a new token costs one pass for
# itself, not one for the whole sequence.
#
# All this happens H times side by side, in H heads. Each works on its own D of the C numbers, so a
# position can look for several things at once. What the heads have found is joined to one vector,
# and a last matrix, wo, makes of it what is added to x.


class Cache(NamedTuple):
    """The keys and values of all positions so far, head by head; there is one for each layer."""

    keys: list  # [H, positions so far, D]
    values: list  # [H, positions so far, D]


def attend(q, keys, values):
    """One head at position t: q [D], keys and values [t+1, D] -> out [D], weights [t+1].

    weights = softmax(scores / √D) with scores[s] = keys[s] · q, and out = Σ_s weights[s] values[s]
    (Vaswani et al. 2017, equation 1). The dot product of two vectors of D random numbers of size
    about 1 has a size of about √D: on average, in the square of its D terms' sum, the squares of
    the terms add up to D, and the mixed products, as often negative as positive, to 0. Dividing by
    √D undoes that. Otherwise one position could get nearly all the weight; the slopes of softmax,
    y[i] ([i=j] - y[j]), would be near 0, and queries and keys would hardly learn.

    >>> attend([2.0], keys=[[1.0], [1.0]], values=[[10.0], [20.0]])
    ([15.0], [0.5, 0.5])
    """
    scale = 1 / sqrt(len(q))
    weights = softmax([scale * score for score in linear(keys, q)])
    return weighted_sum(weights, values), weights


def attend_backward(dout, q, keys, values, weights, dkeys, dvalues):
    """Backward of attend at position t: dout [D] -> dq [D]. Adds to dkeys and dvalues [T, D].

    keys and values are [T, D] by now, but t saw only the first t+1, as many as it has weights.
    attend is linear, softmax, weighted_sum; here are their backwards from last to first:

        dvalues[s] += weights[s] dout          dweights[s] = values[s] · dout
        dscores[s] = weights[s] (dweights[s] - weights · dweights) / √D
        dkeys[s] += dscores[s] q               dq = Σ_s dscores[s] keys[s]

    An example, with weights made up for round numbers:

    >>> dkeys, dvalues = [[0.0], [0.0]], [[0.0], [0.0]]
    >>> attend_backward([1.0], [2.0], [[1.0], [3.0]], [[10.0], [20.0]], [0.5, 0.5], dkeys, dvalues)
    [5.0]
    >>> dkeys, dvalues
    ([[-5.0], [5.0]], [[0.5], [0.5]])
    """
    scale = 1 / sqrt(len(q))
    seen = len(weights)
    # dvalues and dkeys go in whole, because a slice would be a copy. Rows after t are not touched.
    dweights = weighted_sum_backward(dout, weights, values[:seen], dvalues)  # [t+1]
    dscores = [scale * dscaled for dscaled in softmax_backward(dweights, weights)]  # [t+1]
    return linear_backward(dscores, keys[:seen], q, dkeys)  # [D]


def split(x, n_pieces):
    """A list cut into pieces of equal length, such as a vector into its heads: [C] -> [H, D].

    >>> split([1, 2, 3, 4], 2)
    [[1, 2], [3, 4]]
    """
    size = len(x) // n_pieces
    return [x[start : start + size] for start in range(0, len(x), size)]


def join(pieces):
    """The pieces of a list in one, such as the heads of a vector: [H, D] -> [C].

    >>> join([[1, 2], [3, 4]])
    [1, 2, 3, 4]
    """
    return [number for piece in pieces for number in piece]


class AttentionTrace(NamedTuple):
    """What backward needs to know of attention at one position, besides the cache.

    The slope of a product in one factor is the other, so backward needs what forward met.
    """

    x: list  # [C] the input
    normed: list  # [C] rmsnorm(x)
    q: list  # [H, D]
    weights: list  # [H, t+1] how much each head took from each position
    out: list  # [C] what the heads found, joined


def attention(x, wq, wk, wv, wo, cache):
    """y = x + wo · (all heads on rmsnorm(x)): x [C], four matrices [C, C] -> y [C], trace.

    Appends this position's keys and values to the cache, then attends to all that is in it. Adding
    x means that attention only has to find what to change, and gradients have a direct way back.
    """
    n_head = len(cache.keys)
    normed = rmsnorm(x)
    q, k, v = (split(linear(w, normed), n_head) for w in (wq, wk, wv))  # [H, D] each
    outs, weights = [], []
    for head in range(n_head):
        cache.keys[head].append(k[head])
        cache.values[head].append(v[head])
        head_out, head_weights = attend(q[head], cache.keys[head], cache.values[head])
        outs.append(head_out)  # [D]
        weights.append(head_weights)  # [t+1]
    out = join(outs)  # [H, D] -> [C]
    return add(x, linear(wo, out)), AttentionTrace(x, normed, q, weights, out)


def attention_backward(dys, wq, wk, wv, wo, cache, traces):
    """Backward of attention at all T positions: dys [T, C] -> dxs [T, C], dwq, dwk, dwv, dwo.

    The key of position t is used by t and by every later position, up to T-1, and the gradients
    of all these uses add up. We go through the positions in reverse. When we come to t, all later
    ones have added their share to dkeys[t]; t itself adds the last one, and only then is it
    complete. No position before t has ever seen it. The same goes for dvalues. (Read at the very
    end, they would be complete in any order. In reverse, each is complete when its turn comes.)
    """
    douts, dwo = linear_backward_sequence(dys, wo, [trace.out for trace in traces])
    dkeys = [zeros_like(keys) for keys in cache.keys]  # [H, T, D]
    dvalues = [zeros_like(values) for values in cache.values]  # [H, T, D]
    dqkvs = []
    for t in reversed(range(len(traces))):
        trace, dheads = traces[t], split(douts[t], len(cache.keys))  # [H, D]
        # For one head after the other, what attend_backward takes, in its order:
        per_head = zip(dheads, trace.q, cache.keys, cache.values, trace.weights, dkeys, dvalues)
        dq = [attend_backward(*arguments) for arguments in per_head]  # [H, D]
        # Now dkeys and dvalues of position t are complete.
        dk = [dkeys_of_head[t] for dkeys_of_head in dkeys]  # [H, D]
        dv = [dvalues_of_head[t] for dvalues_of_head in dvalues]  # [H, D]
        dqkvs.append(join(dq) + join(dk) + join(dv))  # three lists end to end: [3C]
    dqkvs.reverse()
    # wq, wk and wv read the same vector, so it gets the sum of three gradients. With the rows of
    # all three one after another in one matrix [3C, C], that is the backward of one linear.
    normeds = [trace.normed for trace in traces]
    dnormeds, dw = linear_backward_sequence(dqkvs, wq + wk + wv, normeds)  # [T, C], [3C, C]
    dwq, dwk, dwv = split(dw, 3)  # [C, C] each
    dxs = [
        add(dy, rmsnorm_backward(dnormed, trace.x))  # y = x + …: the direct way and the other
        for dy, dnormed, trace in zip(dys, dnormeds, traces)
    ]
    return dxs, dwq, dwk, dwv, dwo


# %% 6. Feed-forward
# After a position has gathered, it works on what it has got. There are 4C hidden units (four times
# C is the custom). Each looks for a pattern, its row of fc1. If the pattern is there, the unit
# wakes up and adds its row of fc2 to x, and the better the match, the more of it. The squared ReLU
# makes a match of 0 or less count as none: without such a bend, the two matrices would do no more
# than one could. At any one position most units sleep (about two in three, once trained). A
# sleeping unit adds nothing and has slope 0, so all that would follow its match, forward and
# backward, is skipped.
#
# For that, fc2 is stored with one row for each hidden unit: a sleeping unit is a row to skip.


class FeedForwardTrace(NamedTuple):
    """What backward needs to know of feed_forward at one position."""

    x: list  # [C] the input
    normed: list  # [C] rmsnorm(x)
    matches: list  # [4C] how well each unit's pattern matches
    hidden: list  # [4C] the squared ReLU of that: how much each unit is awake


def feed_forward(x, fc1, fc2):
    """y = x + Σ_i hidden[i] fc2[i]: x [C], fc1 and fc2 [4C, C] -> y [C], trace."""
    normed = rmsnorm(x)
    matches = linear(fc1, normed)  # [C] -> [4C]
    hidden = [squared_relu(match) for match in matches]
    return add(x, weighted_sum(hidden, fc2)), FeedForwardTrace(x, normed, matches, hidden)


def feed_forward_backward(dys, fc1, fc2, traces):
    """Backward of feed_forward at all T positions: dys [T, C] -> dxs [T, C], dfc1, dfc2 [4C, C].

    The steps of feed_forward from last to first:

        dfc2[i] += hidden[i] dy              dhidden[i] = fc2[i] · dy
        dmatches[i] = 2 max(0, matches[i]) dhidden[i]
        dfc1[i] += dmatches[i] normed        dnormed = Σ_i dmatches[i] fc1[i]
        dx = dy + what comes through rmsnorm

    dhidden is not computed for a unit that sleeps, because dmatches is exactly 0 there.
    """
    dfc1, dfc2 = zeros_like(fc1), zeros_like(fc2)
    dxs = []
    for dy, trace in zip(dys, traces):
        add_outer(dfc2, trace.hidden, dy)
        dmatches = [
            squared_relu_backward(dot(row, dy), match) if match > 0 else 0.0
            for row, match in zip(fc2, trace.matches)
        ]
        dnormed = linear_backward(dmatches, fc1, trace.normed, dfc1)  # [4C] -> [C]
        dxs.append(add(dy, rmsnorm_backward(dnormed, trace.x)))
    return dxs, dfc1, dfc2


# %% 7. The model
# A token becomes a vector, its embedding: its row of wte (which token is it?) plus a row of wpe (at
# which position? A weighted sum alone can't tell one order from another). The vector x goes
# through the layers; each is attention, then feed-forward, and each of these adds to x. At the end
# wte is used again: x is compared with each of its rows, and the better the match, the likelier
# that token is next.


@dataclass
class Layer:
    """The matrices of one layer, also known as a transformer block."""

    wq: list  # [C, C] makes the queries
    wk: list  # [C, C] makes the keys
    wv: list  # [C, C] makes the values
    wo: list  # [C, C] makes what attention adds to x out of what the heads found
    fc1: list  # [4C, C] the pattern each hidden unit looks for
    fc2: list  # [4C, C] what each hidden unit adds to x


@dataclass
class Model:
    """All parameters. A gradient is a Model too: dmodel.wte[i][j] is ∂loss/∂wte[i][j]."""

    n_head: int
    wte: list  # [V, C] token embeddings, used at both ends
    wpe: list  # [block_size, C] position embeddings
    layers: list  # n_layer of Layer


def random_matrix(rng, n_rows, n_cols, sigma=0.02):
    """A matrix [n_rows, n_cols] of normal draws with standard deviation sigma, row by row."""
    return [[rng.normal(sigma) for _ in range(n_cols)] for _ in range(n_rows)]


def init_model(settings, vocab_size, rng):
    """A new Model with small random parameters, drawn from rng.

    wo and fc2 start at zero, so at first no layer adds anything to x, and training begins with the
    embeddings alone, without the noise of layers that know nothing yet. What goes back through wo
    or fc2 is multiplied by their zeros: in the first step dwq, dwk, dwv and dfc1 are exactly 0.
    dwo and dfc2 are products of dy with out and hidden, which are not 0, so after that step every
    matrix learns. (With fc1 at zero too, hidden and so dfc2 would be 0, for ever.)
    """
    n_embd = settings.n_embd
    wte = random_matrix(rng, vocab_size, n_embd)
    wpe = random_matrix(rng, settings.block_size, n_embd)
    layers = []
    for _ in range(settings.n_layer):
        wq, wk, wv = (random_matrix(rng, n_embd, n_embd) for _ in range(3))
        wo = random_matrix(rng, n_embd, n_embd, sigma=0.0)  # zeros use up draws like any others
        fc1 = random_matrix(rng, 4 * n_embd, n_embd)
        fc2 = random_matrix(rng, 4 * n_embd, n_embd, sigma=0.0)
        layers.append(Layer(wq, wk, wv, wo, fc1, fc2))
    return Model(settings.n_head, wte, wpe, layers)


def matrices(model):
    """All matrices of a model as a list, always in the same order."""
    return [model.wte, model.wpe] + [w for layer in model.layers for w in vars(layer).values()]


def new_cache(model):
    """For each layer a Cache in which nothing has been seen yet."""
    heads = range(model.n_head)
    return [Cache([[] for _ in heads], [[] for _ in heads]) for _ in model.layers]


class Trace(NamedTuple):
    """What backward needs to know of forward at one position."""

    attention: list  # an AttentionTrace for each layer
    feed_forward: list  # a FeedForwardTrace for each layer
    final: list  # [C] the x that came out of the last layer


def forward(model, token, cache):
    """One token at the next free position: its id -> logits [V], trace. Appends to the cache.

    Raises IndexError if all block_size positions are taken, or the id is too large.
    """
    position = len(cache[0].keys[0])  # how many the cache has seen; any layer and head can say
    x = add(model.wte[token], model.wpe[position])  # [C]
    attention_traces, feed_forward_traces = [], []
    for layer, layer_cache in zip(model.layers, cache):
        x, trace = attention(x, layer.wq, layer.wk, layer.wv, layer.wo, layer_cache)
        attention_traces.append(trace)
        x, trace = feed_forward(x, layer.fc1, layer.fc2)
        feed_forward_traces.append(trace)
    return linear(model.wte, x), Trace(attention_traces, feed_forward_traces, x)  # [C] -> [V]


def forward_sequence(model, tokens):
    """T+1 tokens, so T predictions -> their mean loss, probs [T, V], T traces, cache.

    `backward` takes the last three.
    """
    cache = new_cache(model)
    losses, probs, traces = [], [], []
    for token, target in zip(tokens, tokens[1:]):
        logits, trace = forward(model, token, cache)
        loss, token_probs = cross_entropy(logits, target)
        losses.append(loss)
        probs.append(token_probs)
        traces.append(trace)
    return sum(losses) / len(losses), probs, traces, cache


# %% 8. The way back
# Forward led from the embeddings through the layers up to the loss. Backward takes the same way
# down: from the loss to the logits, through the layers from last to first, to the embeddings.


def backward(model, tokens, probs, traces, cache):
    """The gradient of forward_sequence's loss with respect to every parameter, as a Model.

    wte acts on the loss in two places: as the matrix that makes the logits, and as the rows by
    which the tokens come in. What acts in several ways has the sum of their gradients.

    Is it right? Nudge a parameter, and see whether the loss changes as its gradient says:

    >>> model, tokens = init_model(Settings(), 5, Xoshiro(1)), [BOS, 2, 3, 3, EOS]
    >>> loss, *kept = forward_sequence(model, tokens)
    >>> slope = backward(model, tokens, *kept).layers[0].wo[0][0]
    >>> model.layers[0].wo[0][0] += 1e-6
    >>> nudged_loss, *_ = forward_sequence(model, tokens)
    >>> abs((nudged_loss - loss) / 1e-6 - slope) < 1e-6 < abs(slope)
    True
    """
    dloss = 1 / len(traces)  # the loss is the mean of the predictions' losses
    dlogits = [cross_entropy_backward(dloss, p, target) for p, target in zip(probs, tokens[1:])]
    dxs, dwte = linear_backward_sequence(dlogits, model.wte, [trace.final for trace in traces])
    dlayers = []
    for i in reversed(range(len(model.layers))):
        layer = model.layers[i]
        of_layer = [trace.feed_forward[i] for trace in traces]
        dxs, dfc1, dfc2 = feed_forward_backward(dxs, layer.fc1, layer.fc2, of_layer)
        of_layer = [trace.attention[i] for trace in traces]
        dxs, dwq, dwk, dwv, dwo = attention_backward(
            dxs, layer.wq, layer.wk, layer.wv, layer.wo, cache[i], of_layer
        )
        dlayers.append(Layer(dwq, dwk, dwv, dwo, dfc1, dfc2))
    dlayers.reverse()
    dwpe = zeros_like(model.wpe)
    for t, dx in enumerate(dxs):  # x was wte[token] + wpe[t], so both get dx
        dwte[tokens[t]] = add(dwte[tokens[t]], dx)
        dwpe[t] = dx
    return Model(model.n_head, dwte, dwpe, dlayers)


# %% 9. Adam
# The gradient points the way the loss rises, so each parameter takes a step against its part g of
# it. How long a step? Adam (Kingma and Ba 2015, Algorithm 1) keeps two running means for each
# parameter, of g and of g² (the paper's m and v):
#
#     mean = β1 mean + (1 - β1) g        square = β2 square + (1 - β2) g²
#
# and steps by lr · mean / √square. If g stays the same, that is a step of size lr, however large
# or small g is; if g keeps changing sign, the mean is small and the parameter hardly moves.
#
# Both start at 0, so at first they are too small. If g is always the same, then at step 0, 1, 2, …
# mean is g (1 - β1) (1 + β1 + … + β1^step) = g (1 - β1^(step+1)), as neighbouring terms cancel.
# Dividing by c1 = 1 - β1^(step+1) makes it g again; dividing square by c2 = 1 - β2^(step+1) makes
# it g². What each parameter moves by is then
#
#     lr · (mean / c1) / (√(square / c2) + 1e-8) = (lr √c2 / c1) · mean / (√square + 1e-8 √c2)
#
# where 1e-8 prevents 0 / 0. On the right, top and bottom were multiplied by √c2, which brings
# together what is the same for all parameters, to be worked out only once.


class Adam:
    """The running means for one model, and the settings that Adam needs."""

    def __init__(self, model, settings):
        self.settings = settings
        self.means = [zeros_like(w) for w in matrices(model)]
        self.squares = [zeros_like(w) for w in matrices(model)]

    def update(self, model, dmodel, step):
        """Change all parameters in place, by one step against the gradient; step is 0, 1, 2, …"""
        beta1, beta2 = self.settings.beta1, self.settings.beta2
        c1, c2 = 1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)
        lr = self.settings.lr * (1 - step / self.settings.steps)  # falls in a straight line
        rate, tiny = lr * sqrt(c2) / c1, 1e-8 * sqrt(c2)
        share1, share2 = 1 - beta1, 1 - beta2  # of the new gradient in the running means
        for same_matrix in zip(matrices(model), matrices(dmodel), self.means, self.squares):
            for row, drow, mean, square in zip(*same_matrix):
                for j, g in enumerate(drow):
                    mean_j = mean[j] = beta1 * mean[j] + share1 * g
                    square_j = square[j] = beta2 * square[j] + share2 * g * g
                    row[j] -= rate * mean_j / (sqrt(square_j) + tiny)


# %% 10. Sampling
# To invent a name, ask the model what comes after BOS, draw a token from the probabilities that it
# answers with, make that token the next input, and go on until EOS is drawn or all positions are
# taken.


def generate(model, rng):
    """A sample from the model, as a list of at most block_size ids, without the EOS.

    A model that has learned little may draw BOS. Then BOS is in the sample like any other token.
    """
    cache, token, sample = new_cache(model), BOS, []
    for _ in range(len(model.wpe)):  # block_size times
        logits, _ = forward(model, token, cache)
        token = rng.choice(softmax(logits))
        if token == EOS:
            break
        sample.append(token)
    return sample


# %% 11. Training
# Over and over: take the next name, see how well the model predicts it, work out the gradient,
# take a small step. That is how a GPT learns.


def say(line):
    """Print a line at once, also into a pipe, with ? for what the output's encoding can't show.

    Exits if there is no way to write: silently if the reader of a pipe has gone.
    """
    try:
        if sys.stdout is None:
            raise OSError(None, "it is closed")
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        print(line.encode(encoding, "replace").decode(encoding), flush=True)
    except OSError as error:
        if sys.stdout:  # what is left unwritten must not fail again when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        sys.exit(f"microgpt: cannot write to standard output: {error.strerror}")


def train(model, documents, vocabulary, rng, settings):
    """Train the model in place, one document a step, and print loss and samples on the way.

    The loss that is printed is that of the step's own document, before the update. It jumps about,
    because some names are harder than others. The samples come after the update.

    Raises FloatingPointError when the loss is no longer a finite number.
    """
    start = time.perf_counter()
    n_params = sum(len(row) for matrix in matrices(model) for row in matrix)
    say(
        f"microgpt  vocab={len(vocabulary.tokens)}  params={n_params}  layers={settings.n_layer}"
        f"  embd={settings.n_embd}  heads={settings.n_head}"
    )
    say(f"Training {settings.steps} steps on {len(documents)} names\n")
    adam = Adam(model, settings)
    for step in range(settings.steps):
        document = documents[step % len(documents)]
        tokens = vocabulary.sequence(document, settings.block_size)
        loss, probs, traces, cache = forward_sequence(model, tokens)
        if not isfinite(loss):
            raise FloatingPointError(f"loss is not a number at step {step}; try a smaller --lr")
        adam.update(model, backward(model, tokens, probs, traces, cache), step)
        if step % 500 == 0 or step == settings.steps - 1:
            samples = (vocabulary.decode(generate(model, rng)) for _ in range(5))
            shown = "  ".join(f"sample {i}: {sample}" for i, sample in enumerate(samples))
            say(f"step {step:5d}  loss={loss:.4f}  t={time.perf_counter() - start:.2f}s  | {shown}")
    say(f"Done in {time.perf_counter() - start:.3f}s")


# %% 12. The run
# What remains is not about GPTs: flags and errors. The last lines are the whole program in a
# straight line, and everything that they define is there for a notebook's next cell. There,
# vocabulary.decode(generate(model, rng)) invents one more name.


def fail(status, message):
    """Print one line on standard error and exit with this status."""
    print("microgpt:", " ".join(message.splitlines()), file=sys.stderr)
    raise SystemExit(status) from None


@contextmanager
def fail_on(status, *errors):
    """Turn these errors into one line and an exit with this status."""
    try:
        yield
    except errors as error:
        fail(status, str(error) or "stopped")


class Parser(argparse.ArgumentParser):
    """argparse, but an error is one line, and help can always be printed."""

    def error(self, message):
        """Exit with status 2."""
        fail(2, f"{message}; --help shows every flag")

    def print_help(self, file=None):
        """Print what every flag does."""
        say(self.format_help().rstrip())


def parse(arguments):
    """A list of command-line arguments -> Settings. Exits with status 2 if they make no sense."""
    parser = Parser(
        description="Train a small GPT on a list of names and print what it invents.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    for item in fields(Settings):
        parser.add_argument(
            flag(item.name), type=item.type, default=item.default, help=item.metadata["help"]
        )
    return Settings(**vars(parser.parse_args(arguments)))


def command_line():
    """The arguments meant for this file: none in a notebook, where they are the kernel's own."""
    here, started = globals().get("__file__"), sys.argv[0]
    return sys.argv[1:] if here and Path(here).resolve() == Path(started).resolve() else []


if __name__ == "__main__":
    with fail_on(130, KeyboardInterrupt), fail_on(1, FloatingPointError):
        with fail_on(2, ValueError, OSError):
            settings = parse(command_line())
            documents = read_documents(settings.data)
        vocabulary = Vocabulary(documents)
        rng = Xoshiro(settings.seed)
        model = init_model(settings, len(vocabulary.tokens), rng)
        train(model, documents, vocabulary, rng, settings)
