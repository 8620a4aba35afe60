"""microgpt: how a GPT learns, in one file, with nothing but Python's standard library.

A GPT is a function from the tokens so far to probabilities for the next token. This file builds
one, trains it on a list of names and lets it invent names of its own:

    python microgpt.py            train with the defaults, about half a minute
    python microgpt.py --help     what can be changed

Read it from top to bottom: each part uses only what stands above it. No library hides anything.
Every gradient is derived by hand, right below the function that it belongs to. Each section that
begins with `# %%` can also be pasted into a notebook cell of its own, in order.

What you need to know: Python, and from school calculus the chain rule. If a number x acts on the
loss through y, then d loss/dx = d loss/dy · dy/dx; if it acts through several y, the products add.

Notation, the same everywhere:

    C     the length of the vectors inside the model (n_embd)
    H, D  attention heads, and the length of one head's vectors: H · D = C
    V     the size of the vocabulary
    T     the number of positions in a sequence; t is one of them, s one at or before t
    m, n  any two sizes, where a function does not care
    i, j  indices into rows and columns
    dx    the gradient of the loss with respect to x, the same shape as x: dx[i] says how much
          the loss grows per unit that x[i] grows

A vector is a list of floats. A matrix is a list of rows, each a vector. Shapes stand in brackets,
and `linear: w [m, n], x [n] -> [m]` means: from a matrix and a vector, a vector of length m.
"""

# %% 1. Settings
# All that can be tuned, in one place. Nothing below knows that C is 16 or that there is one layer.

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


def setting(default, meaning):
    """A field of Settings with its default and the words that --help shows for it."""
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class Settings:
    """Every tuneable value. Raises ValueError, naming the flag, for a value that makes no sense.

    >>> Settings(n_layer=2).n_layer, Settings().n_embd
    (2, 16)
    """

    n_embd: int = setting(16, "length of the vectors inside the model; a multiple of --n-head")
    n_head: int = setting(4, "attention heads: how many things a position can look for at once")
    n_layer: int = setting(1, "transformer blocks, one after the other")
    block_size: int = setting(8, "longest input sequence, in tokens; also the longest sample")
    steps: int = setting(5000, "training steps, one name each")
    lr: float = setting(0.01, "learning rate at the start; it falls in a line to zero at the end")
    beta1: float = setting(0.9, "how slowly Adam's running mean of the gradient changes")
    beta2: float = setting(0.95, "how slowly Adam's running mean of the squared gradient changes")
    seed: int = setting(42, "start of the random generator, from 0 to 2**64 - 1")
    data: str = setting(str(NAMES), "text file to learn from, one name a line, in UTF-8")

    def __post_init__(self):
        for name in ("n_embd", "n_head", "n_layer", "block_size", "steps"):
            value = getattr(self, name)
            require(value >= 1, f"{flag(name)} must be 1 or more, not {value}")
        require(
            self.n_embd % self.n_head == 0,
            f"--n-embd must be a multiple of --n-head, but {self.n_embd} is not one of {self.n_head}",
        )
        require(0 < self.lr < inf, f"--lr must be a positive finite number, not {self.lr}")
        for name in ("beta1", "beta2"):
            value = getattr(self, name)
            require(0 <= value < 1, f"{flag(name)} must be 0 or more and below 1, not {value}")
        require(0 <= self.seed < 2**64, f"--seed must be from 0 to 2**64 - 1, not {self.seed}")


def flag(name):
    """The command-line flag of a setting: n_embd -> --n-embd."""
    return "--" + name.replace("_", "-")


def require(condition, message):
    """Raise ValueError with this message unless the condition holds."""
    if not condition:
        raise ValueError(message)


# %% 2. Random numbers
# Chance enters twice: in the first values of the parameters, and when a sample is drawn. Our own
# small generator makes it the same chance on every machine: the same seed, the same names.


class Xoshiro:
    """The generator xoshiro128+ (Blackman and Vigna 2021), seeded with 64 bits.

    `state` is four 32-bit words, mixed by shifts, rotation and exclusive or (^). `& MASK` keeps
    the low 32 bits, as a 32-bit machine word would.

    >>> rng = Xoshiro(seed=0)
    >>> rng.state = [1, 2, 3, 4]
    >>> [rng.draw() for _ in range(4)]
    [5, 12295, 25178119, 27286542]
    """

    MASK = 2**32 - 1

    def __init__(self, seed):
        low, high = seed & self.MASK, seed >> 32 & self.MASK
        self.state = [low ^ 0xDEADBEEF, high ^ 0xCAFEBABE, low + 1 & self.MASK, high + 1 & self.MASK]

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

        Box and Muller (1958): a random radius and a random angle, from two even draws. u1 is never
        zero, so that its logarithm exists.
        """
        u1 = (self.draw() + 1) / (2**32 + 1)
        u2 = self.draw() / (2**32 - 1)
        return sigma * sqrt(-2 * log(u1)) * cos(2 * pi * u2)

    def choice(self, weights):
        """An index into weights [n], each as likely as its share of their sum.

        The weights lie end to end, a dart lands somewhere along them: whose stretch is it in?
        """
        dart = self.draw() / (2**32 - 1) * sum(weights)
        for i, weight in enumerate(weights):
            dart -= weight
            if dart <= 0:
                return i
        return len(weights) - 1  # rounding can leave a crumb of the dart after the last weight


# %% 3. Data and vocabulary
# A model computes with numbers, so every character gets one: its id. Two ids are not characters:
# BOS says "a name begins here", EOS says "it ends here". A token is one id in a sequence.
#
# "emma" becomes BOS e m m a EOS. Each token has to predict the one after it, so one name of four
# letters holds five small questions: what comes after BOS? After BOS e? And so on, up to EOS.

BOS, EOS = 0, 1


def read_documents(path):
    """The lines of a UTF-8 text file that are not blank, without the spaces around them.

    Raises OSError if the file can't be read, ValueError if it is not UTF-8 or has no names.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        advice = "write one name a line into a text file and name it with --data"
        raise type(error)(f"cannot read {path}: {error.strerror}; {advice}") from None
    try:
        lines = content.decode("utf-8-sig").splitlines()  # -sig: a byte-order mark is skipped
    except UnicodeDecodeError as error:
        number = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {number}: not UTF-8; save the file as UTF-8 text") from None
    documents = [line.strip() for line in lines if line.strip()]
    require(documents, f"{path} has no names in it; write one name a line")
    return documents


class Vocabulary:
    """The tokens of a list of documents: `tokens[i]` is the text of id i, `ids` the way back.

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
        """BOS, the document's ids, EOS, cut so that there are at most block_size inputs.

        Every token but the last is an input, every token but the first a target: the block holds
        block_size + 1 tokens.

        >>> Vocabulary(["emma"]).sequence("emma", block_size=8)
        [0, 3, 4, 4, 2, 1]
        """
        return [BOS, *self.encode(document[:block_size]), EOS][: block_size + 1]


# %% 4. Operations
# All that the model does is done with the few operations below. Forward and backward stand
# together: `f` computes y from x, and `f_backward` takes dy, the gradient that comes back from
# what was done with y, and returns dx by the chain rule.

try:
    from math import sumprod as dot  # the same in C, from Python 3.12 on
except ImportError:

    def dot(a, b):
        """The sum of a[i] · b[i], from a [n] and b [n]."""
        return sum(map(mul, a, b))


def add(a, b):
    """a + b, element by element: [n], [n] -> [n]. Backward: da = db = dy, so it needs no code.

    >>> add([1.0, 2.0], [10.0, 20.0])
    [11.0, 22.0]
    """
    return [ai + bi for ai, bi in zip(a, b)]


def transpose(rows):
    """Rows become columns: [m, n] -> [n, m].

    >>> transpose([[1, 2, 3], [4, 5, 6]])
    [[1, 4], [2, 5], [3, 6]]
    """
    return [list(column) for column in zip(*rows)]


def zeros_like(matrix):
    """Zeros in the shape of a matrix: where gradients are added up."""
    return [[0.0] * len(row) for row in matrix]


# A matrix can be used in two ways, and each turns out to be the backward of the other:
# `linear` asks every row how well it matches x; `weighted_sum` mixes the rows into one.


def linear(w, x):
    """y[i] = Σ_j w[i][j] x[j]: w [m, n], x [n] -> y [m].

    >>> linear([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [10.0, 1.0])
    [12.0, 34.0, 56.0]
    """
    return [dot(row, x) for row in w]


def weighted_sum(weights, rows):
    """y[j] = Σ_i weights[i] rows[i][j]: weights [m], rows [m, n] -> y [n].

    Many weights will be exactly zero (see squared_relu). Their rows are skipped.

    >>> weighted_sum([10.0, 0.0, 1.0], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    [15.0, 26.0]
    """
    total = [0.0] * len(rows[0])
    for weight, row in zip(weights, rows):
        if weight:
            total = [sum_j + weight * row_j for sum_j, row_j in zip(total, row)]
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
    """Backward of linear: dy [m], w [m, n], x [n] -> dx [n]; adds its share to dw [m, n].

    y[i] = Σ_j w[i][j] x[j]. So x[j] acts on every y[i] with slope w[i][j], and w[i][j] acts on
    y[i] alone, with slope x[j]:

        dx[j] = Σ_i dy[i] w[i][j]        dw[i][j] = dy[i] x[j]

    >>> dw = [[0.0, 0.0], [0.0, 0.0]]
    >>> linear_backward([1.0, 10.0], [[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0], dw)
    [31.0, 42.0]
    >>> dw
    [[5.0, 6.0], [50.0, 60.0]]
    """
    add_outer(dw, dy, x)
    return weighted_sum(dy, w)


def weighted_sum_backward(dy, weights, rows, drows):
    """Backward of weighted_sum: dy [n], weights [m], rows [m, n] -> dweights [m]; adds to drows.

    y[j] = Σ_i weights[i] rows[i][j], which is the same sum with the parts of w and x exchanged:

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

    The same w served every position, so its gradient is the sum over all of them,
    dw[i][j] = Σ_t dys[t][i] xs[t][j]: the dot product of two columns. One dot product for each
    weight is several times faster than adding T outer products.

    >>> linear_backward_sequence([[1.0], [10.0]], [[2.0, 3.0]], [[4.0, 5.0], [6.0, 7.0]])
    ([[2.0, 3.0], [20.0, 30.0]], [[64.0, 75.0]])
    """
    w_columns, x_columns = transpose(w), transpose(xs)
    dxs = [linear(w_columns, dy) for dy in dys]  # [T, n]
    dw = [linear(x_columns, dy_i) for dy_i in transpose(dys)]  # [m, n]
    return dxs, dw


def softmax(x):
    """y[i] = e^x[i] / Σ_j e^x[j]: any numbers [n] -> probabilities [n], which add up to 1.

    Subtracting the largest x first changes nothing in the ratio and keeps e^x from overflowing.

    >>> softmax([0.0, log(3)]), softmax([1000.0, 1000.0])
    ([0.25, 0.75], [0.5, 0.5])
    """
    top = max(x)
    exps = [exp(xi - top) for xi in x]
    total = sum(exps)
    return [e / total for e in exps]


def softmax_backward(dy, y):
    """Backward of softmax, from its output: dy [n], y [n] -> dx [n].

    x[j] acts on every y[i]: it raises its own and, through the sum below, lowers them all. By the
    quotient rule the slope is y[i] (1 - y[j]) for i = j and -y[i] y[j] for the others. So

        dx[j] = dy[j] y[j] - Σ_i dy[i] y[i] y[j] = y[j] (dy[j] - Σ_i dy[i] y[i])

    >>> softmax_backward([1.0, 0.0], [0.25, 0.75])
    [0.1875, -0.1875]
    """
    mean_dy = dot(dy, y)
    return [yi * (dyi - mean_dy) for dyi, yi in zip(dy, y)]


def cross_entropy(logits, target):
    """The loss of one prediction: logits [V], the id that came -> -ln p(target), probs [V].

    0 for a sure and right prediction; ln V when every token seems equally likely. ln p(target) is
    taken as ln p(best) - (best logit - target logit), because p(target) itself can underflow to 0.

    >>> loss, probs = cross_entropy([0.0, log(3)], target=0)
    >>> round(exp(-loss), 10), probs
    (0.25, [0.25, 0.75])
    """
    probs = softmax(logits)
    return max(logits) - logits[target] - log(max(probs)), probs


def cross_entropy_backward(dloss, probs, target):
    """Backward of cross_entropy: dloss (a number), probs [V], target -> dlogits [V].

    loss = -ln p(target) = ln Σ_j e^logits[j] - logits[target]. The slope of the first part is the
    softmax itself; the second adds -1 at the target:

        dlogits[i] = dloss (probs[i] - 1)  at the target,  dloss probs[i]  elsewhere

    >>> cross_entropy_backward(1.0, [0.25, 0.75], target=0)
    [-0.75, 0.75]
    """
    dlogits = [dloss * p for p in probs]
    dlogits[target] -= dloss
    return dlogits


def rms_scale(x):
    """1 / √(mean(x²) + 1e-5): what brings the root mean square of x [n] to 1."""
    return 1 / sqrt(dot(x, x) / len(x) + 1e-5)


def rmsnorm(x):
    """y[i] = x[i] / √(mean(x²) + 1e-5): [n] -> [n] (Zhang and Sennrich 2019, equation 4).

    The direction of x, at a standard length. The 1e-5 keeps a zero vector from dividing by zero.

    >>> [round(yi, 3) for yi in rmsnorm([3.0, -3.0, 3.0, -3.0])]
    [1.0, -1.0, 1.0, -1.0]
    """
    scale = rms_scale(x)
    return [scale * xi for xi in x]


def rmsnorm_backward(dy, x):
    """Backward of rmsnorm: dy [n], x [n] -> dx [n].

    With r = (Σ_i x[i]² / n + 1e-5)^(-1/2), y[i] = r x[i]. x[j] acts on y[j] directly, with slope
    r, and on every y[i] through r, whose slope is -1/2 · r³ · 2 x[j] / n. So

        dx[j] = r dy[j] - (r³ / n · Σ_i dy[i] x[i]) x[j]

    >>> [round(dxi, 3) for dxi in rmsnorm_backward([1.0, 0.0], [2.0, 2.0])]
    [0.25, -0.25]
    """
    r = rms_scale(x)
    pull = r**3 / len(x) * dot(dy, x)
    return [r * dyi - pull * xi for dyi, xi in zip(dy, x)]


def squared_relu(x):
    """y = max(0, x)²: a number -> a number (So et al. 2021). Zero for every x that is not above 0.

    >>> squared_relu(3.0), squared_relu(-3.0)
    (9.0, 0.0)
    """
    return x * x if x > 0 else 0.0


def squared_relu_backward(dy, x):
    """Backward of squared_relu: dx = 2 max(0, x) dy.

    >>> squared_relu_backward(10.0, 3.0), squared_relu_backward(10.0, -3.0)
    (60.0, 0.0)
    """
    return 2 * x * dy if x > 0 else 0.0


# %% 5. Attention
# So far every token stands alone. Attention lets a position gather from the positions before it.
# Each position makes three vectors of itself: a query (what am I looking for?), a key (what can I
# be found by?) and a value (what do I tell when I am found?). A position compares its query with
# the keys of all positions so far, its own included; the better the match, the more of that
# position's value it takes. Later positions are not there yet, so nobody can peek at the answer.
#
# The keys and values of earlier positions don't change, so they are kept, in the cache. That is
# why a new token costs one pass for itself and not one for the whole sequence again.
#
# Attention runs in H heads side by side, each on its own D of the C numbers, so that a position
# can look for several things at once.


class Cache(NamedTuple):
    """The keys and values of the positions so far in one layer, head by head."""

    keys: list  # [H, positions so far, D]
    values: list  # [H, positions so far, D]


def attend(q, keys, values):
    """One head at position t: q [D], keys and values [t+1, D] -> out [D], weights [t+1].

    weights = softmax(keys · q / √D), out = Σ_s weights[s] values[s] (Vaswani et al. 2017,
    equation 1). The longer the vectors, the larger their dot products; √D makes up for it.

    >>> attend([2.0], keys=[[1.0], [1.0]], values=[[10.0], [20.0]])
    ([15.0], [0.5, 0.5])
    """
    shrink = 1 / sqrt(len(q))
    weights = softmax([shrink * score for score in linear(keys, q)])
    return weighted_sum(weights, values), weights


def attend_backward(dout, q, keys, values, weights, dkeys, dvalues):
    """Backward of attend: dout [D] -> dq [D]; adds its share to dkeys and dvalues [T, D].

    The three steps of attend from last to first: the weighted sum of the values, the softmax and
    the factor 1 / √D, then the scores, which are linear(keys, q) with the keys as the matrix.
    Position t saw len(weights) = t+1 positions, so these are the ones it hands gradients to.
    """
    shrink = 1 / sqrt(len(q))
    seen = len(weights)
    dweights = weighted_sum_backward(dout, weights, values[:seen], dvalues)  # [t+1]
    dscores = [shrink * d for d in softmax_backward(dweights, weights)]  # [t+1]
    return linear_backward(dscores, keys[:seen], q, dkeys)


def split(x, n):
    """Cut a list into n pieces of equal length, such as a vector into heads: [C] -> [H, D].

    >>> split([1, 2, 3, 4], 2)
    [[1, 2], [3, 4]]
    """
    size = len(x) // n
    return [x[start : start + size] for start in range(0, len(x), size)]


def join(pieces):
    """The pieces of a vector in one: [H, D] -> [C].

    >>> join([[1, 2], [3, 4]])
    [1, 2, 3, 4]
    """
    return [number for piece in pieces for number in piece]


class AttentionTrace(NamedTuple):
    """What attention_block saw at one position, kept for the backward pass."""

    x: list  # [C] the block's input
    normed: list  # [C] rmsnorm(x), which q, k and v were made from
    q: list  # [H, D]
    weights: list  # [H, t+1] how much each head took from each position
    out: list  # [C] what the heads found, joined


def attention_block(x, wq, wk, wv, wo, cache):
    """y = x + wo · attention(rmsnorm(x)): x [C], four matrices [C, C] -> y [C], trace.

    Appends this position's keys and values to the cache, which counts the heads. x is added to
    the result: the block only has to learn what to change, and gradients have a straight way back.
    """
    n_head = len(cache.keys)
    normed = rmsnorm(x)
    q, k, v = (split(linear(w, normed), n_head) for w in (wq, wk, wv))  # [H, D] each
    for h in range(n_head):
        cache.keys[h].append(k[h])
        cache.values[h].append(v[h])
    outs, weights = zip(*map(attend, q, cache.keys, cache.values))  # [H, D], [H, t+1]
    out = join(outs)  # [C]
    return add(x, linear(wo, out)), AttentionTrace(x, normed, q, weights, out)


def attention_block_backward(dys, wq, wk, wv, wo, cache, traces):
    """Backward of attention_block, all T positions: dys [T, C] -> dxs [T, C], dwq, dwk, dwv, dwo.

    The key of position s was used by every position from s to T-1, and each of them hands it a
    share of gradient. Hence the reverse order: when we come to t, all later positions have handed
    theirs, t adds its own, and dk and dv of t are complete. No position before t ever saw them.
    """
    douts, dwo = linear_backward_sequence(dys, wo, [trace.out for trace in traces])
    dkeys = [zeros_like(keys) for keys in cache.keys]  # [H, T, D]
    dvalues = [zeros_like(values) for values in cache.values]  # [H, T, D]
    dqkvs = []
    for t in reversed(range(len(traces))):
        dout, trace = split(douts[t], len(cache.keys)), traces[t]
        heads = zip(dout, trace.q, cache.keys, cache.values, trace.weights, dkeys, dvalues)
        dq = [attend_backward(*head) for head in heads]  # [H, D]
        dk = [dkeys_h[t] for dkeys_h in dkeys]  # [H, D], complete now
        dv = [dvalues_h[t] for dvalues_h in dvalues]  # [H, D], complete now
        dqkvs.append(join(dq + dk + dv))  # [3C]
    dqkvs.reverse()
    # wq, wk and wv all read `normed`. Stacked, they are one linear with 3C rows.
    normeds = [trace.normed for trace in traces]
    dnormeds, dw = linear_backward_sequence(dqkvs, wq + wk + wv, normeds)  # [T, C], [3C, C]
    dwq, dwk, dwv = split(dw, 3)  # [C, C] each
    dxs = [
        add(dy, rmsnorm_backward(dnormed, trace.x))  # the straight way, and the way through
        for dy, dnormed, trace in zip(dys, dnormeds, traces)
    ]
    return dxs, dwq, dwk, dwv, dwo


# %% 6. Feed-forward
# After a position has gathered, it thinks: 4C hidden units, each a row of fc1, look for a pattern
# in x. A unit whose pattern is there wakes up and adds its row of fc2 to x, in proportion. The
# squared ReLU lets most units sleep (once trained, about three of four at any position), and a
# unit that sleeps costs nothing: its output is zero, and so is its slope.
#
# fc2 is stored with one row for each hidden unit, [4C, C], so that sleeping is skipping a row.


class FeedForwardTrace(NamedTuple):
    """What feed_forward_block saw at one position, kept for the backward pass."""

    x: list  # [C] the block's input
    normed: list  # [C] rmsnorm(x)
    match: list  # [4C] how well each unit's pattern fits
    hidden: list  # [4C] its squared ReLU: how much each unit is awake


def feed_forward_block(x, fc1, fc2):
    """y = x + Σ_i hidden[i] fc2[i]: x [C], fc1 and fc2 [4C, C] -> y [C], trace."""
    normed = rmsnorm(x)
    match = linear(fc1, normed)  # [4C]
    hidden = [squared_relu(m) for m in match]
    return add(x, weighted_sum(hidden, fc2)), FeedForwardTrace(x, normed, match, hidden)


def feed_forward_block_backward(dys, fc1, fc2, traces):
    """Backward of feed_forward_block, all T positions: dys [T, C] -> dxs [T, C], dfc1, dfc2.

    The steps are weighted_sum_backward, squared_relu_backward, linear_backward. Only the first is
    spelt out, to leave out the dot products of sleeping units: their slope is zero anyway.
    """
    dfc1, dfc2 = zeros_like(fc1), zeros_like(fc2)
    dxs = []
    for dy, (x, normed, match, hidden) in zip(dys, traces):
        add_outer(dfc2, hidden, dy)
        dmatch = [
            squared_relu_backward(dot(row, dy), m) if m > 0 else 0.0 for row, m in zip(fc2, match)
        ]
        dnormed = linear_backward(dmatch, fc1, normed, dfc1)  # [C]
        dxs.append(add(dy, rmsnorm_backward(dnormed, x)))
    return dxs, dfc1, dfc2


# %% 7. The model
# A token becomes a vector: its row of wte (what it is) plus a row of wpe (where it stands). The
# vector x passes through the layers, and each block adds to it. At the end x is compared with
# every row of wte again: the better the match, the likelier that token comes next.


@dataclass
class Layer:
    """The matrices of one transformer block."""

    wq: list  # [C, C] makes queries
    wk: list  # [C, C] makes keys
    wv: list  # [C, C] makes values
    wo: list  # [C, C] mixes what the heads found
    fc1: list  # [4C, C] the patterns of the hidden units
    fc2: list  # [4C, C] what each hidden unit adds; C x 4C in the usual order, transposed


@dataclass
class Model:
    """All parameters. A gradient is a Model too: dmodel.wte[i][j] is d loss / d wte[i][j]."""

    n_head: int
    wte: list  # [V, C] token embeddings, at the input and at the output
    wpe: list  # [block_size, C] position embeddings
    layers: list  # n_layer of Layer


def init_model(settings, vocab_size, rng):
    """A new Model with random parameters.

    wo and fc2 start at zero, so every block starts by adding nothing: the untrained model is the
    simplest one there is, and each block grows into it as it finds something to say.
    """
    n_embd = settings.n_embd

    def matrix(n_rows, sigma=0.02):
        return [[rng.normal(sigma) for _ in range(n_embd)] for _ in range(n_rows)]

    wte, wpe = matrix(vocab_size), matrix(settings.block_size)
    layers = [
        Layer(
            wq=matrix(n_embd),
            wk=matrix(n_embd),
            wv=matrix(n_embd),
            wo=matrix(n_embd, sigma=0.0),
            fc1=matrix(4 * n_embd),
            fc2=matrix(4 * n_embd, sigma=0.0),
        )
        for _ in range(settings.n_layer)
    ]
    return Model(settings.n_head, wte, wpe, layers)


def matrices(model):
    """Every matrix of a model, always in the same order: a list of them."""
    return [model.wte, model.wpe] + [w for layer in model.layers for w in vars(layer).values()]


def new_cache(model):
    """A cache in which nothing has been seen: one Cache for each layer."""
    heads = range(model.n_head)
    return [Cache([[] for _ in heads], [[] for _ in heads]) for _ in model.layers]


class Trace(NamedTuple):
    """What forward saw at one position, kept for the backward pass."""

    attention: list  # an AttentionTrace for each layer
    feed_forward: list  # a FeedForwardTrace for each layer
    x: list  # [C] the final vector


def forward(model, token, cache):
    """One token at the next free position: its id -> logits [V], trace. Appends to the cache.

    A logit says how well a token would fit next; softmax makes probabilities of them. Raises
    IndexError for an id outside the vocabulary, or when all block_size positions are taken.
    """
    position = len(cache[0].keys[0])
    x = add(model.wte[token], model.wpe[position])  # [C]
    attention, feed_forward = [], []
    for layer, layer_cache in zip(model.layers, cache):
        x, trace = attention_block(x, layer.wq, layer.wk, layer.wv, layer.wo, layer_cache)
        attention.append(trace)
        x, trace = feed_forward_block(x, layer.fc1, layer.fc2)
        feed_forward.append(trace)
    return linear(model.wte, x), Trace(attention, feed_forward, x)


def forward_sequence(model, tokens):
    """A whole sequence of T+1 tokens: T predictions -> loss, probs [T, V], T traces, cache.

    The loss is the mean of the T predictions' cross-entropies. All but the loss is for `backward`.
    """
    cache = new_cache(model)
    losses, probs, traces = [], [], []
    for token, target in zip(tokens, tokens[1:]):
        logits, trace = forward(model, token, cache)
        loss, probs_t = cross_entropy(logits, target)
        losses.append(loss)
        probs.append(probs_t)
        traces.append(trace)
    return sum(losses) / len(losses), probs, traces, cache


# %% 8. The way back
# forward_sequence went from the embeddings up to the loss. backward goes the same way down:
# from the loss to the logits, through the layers from last to first, to the embeddings.


def backward(model, tokens, probs, traces, cache):
    """The gradient of the loss with respect to every parameter, as a Model.

    Takes what forward_sequence took and gave. wte acts on the loss in two places, as the rows
    that tokens enter by and as the matrix that makes the logits. By the chain rule the gradients
    of both uses add up.
    """
    dloss = 1 / len(traces)  # of each prediction, because the loss is their mean
    dlogits = [cross_entropy_backward(dloss, p, target) for p, target in zip(probs, tokens[1:])]
    dxs, dwte = linear_backward_sequence(dlogits, model.wte, [trace.x for trace in traces])
    dlayers = []
    for i in reversed(range(len(model.layers))):
        layer = model.layers[i]
        dxs, *dfc = feed_forward_block_backward(
            dxs, layer.fc1, layer.fc2, [trace.feed_forward[i] for trace in traces]
        )
        dxs, *dw = attention_block_backward(
            dxs, layer.wq, layer.wk, layer.wv, layer.wo, cache[i],
            [trace.attention[i] for trace in traces],
        )
        dlayers.insert(0, Layer(*dw, *dfc))
    dwpe = zeros_like(model.wpe)
    for t, dx in enumerate(dxs):  # x was wte[token] + wpe[t]: dx goes to both
        dwte[tokens[t]] = add(dwte[tokens[t]], dx)
        dwpe[t] = dx
    return Model(model.n_head, dwte, dwpe, dlayers)


# %% 9. Adam
# The gradient points uphill, so each parameter takes a step against it. How large a step? Adam
# (Kingma and Ba 2015, Algorithm 1) keeps two running means for each parameter: of the gradient
# (m in the paper, `mean` here) and of its square (v in the paper, `square` here). It steps by
# lr · mean / √square: a parameter whose gradient keeps its sign moves by about lr, whatever the
# size of that gradient; one whose gradient keeps changing sign hardly moves.
#
# Both means start at zero, so at first they are too small. After n updates with a gradient g that
# stays the same, mean is g (1-β1)(1 + β1 + … + β1^(n-1)) = g (1 - β1^n), and likewise for square.
# Dividing by 1 - β1^n and 1 - β2^n makes that right.


class Adam:
    """The optimizer's memory for one model: both running means, and the settings it needs."""

    def __init__(self, model, settings):
        self.settings = settings
        self.means = [zeros_like(w) for w in matrices(model)]
        self.squares = [zeros_like(w) for w in matrices(model)]

    def update(self, model, dmodel, step):
        """Change the model's parameters in place, by one step (0, 1, 2, …) against dmodel."""
        beta1, beta2 = self.settings.beta1, self.settings.beta2
        fresh1, fresh2 = 1 - beta1, 1 - beta2  # the new gradient's share in the running means
        lr = self.settings.lr * (1 - step / self.settings.steps)  # down to zero, in a line
        rate = lr / (1 - beta1 ** (step + 1))
        correction = 1 / (1 - beta2 ** (step + 1))
        for of_matrix in zip(matrices(model), matrices(dmodel), self.means, self.squares):
            for w, dw, mean, square in zip(*of_matrix):  # one row of each
                for j, g in enumerate(dw):
                    mean[j] += fresh1 * (g - mean[j])
                    square[j] += fresh2 * (g * g - square[j])
                    w[j] -= rate * mean[j] / (sqrt(square[j] * correction) + 1e-8)


# %% 10. Sampling
# To invent a name, the model is asked what comes after BOS, a token is drawn from its answer, that
# token is its next input, and so on, until it says EOS or the block is full.


def generate(model, rng):
    """A sample from the model: a list of at most block_size ids, with neither first BOS nor EOS."""
    cache, token, sample = new_cache(model), BOS, []
    for _ in model.wpe:
        logits, _ = forward(model, token, cache)
        token = rng.choice(softmax(logits))
        if token == EOS:
            break
        sample.append(token)
    return sample


# %% 11. Training
# Over and over: take the next name, see how well the model predicts it, work out the gradient,
# take a small step. That is all there is to learning.


def train(model, documents, vocabulary, rng, settings):
    """Train the model in place, one document a step, and print loss and samples on the way.

    Raises FloatingPointError when the loss is no longer a finite number.
    """
    start = time.perf_counter()
    n_params = sum(len(row) for matrix in matrices(model) for row in matrix)
    say(f"microgpt  vocab={len(vocabulary.tokens)}  params={n_params}  layers={settings.n_layer}"
        f"  embd={settings.n_embd}  heads={settings.n_head}")
    say(f"Training {settings.steps} steps on {len(documents)} names\n")
    adam = Adam(model, settings)
    for step in range(settings.steps):
        document = documents[step % len(documents)]
        tokens = vocabulary.sequence(document, settings.block_size)
        loss, probs, traces, cache = forward_sequence(model, tokens)
        if not isfinite(loss):
            raise FloatingPointError(
                f"at step {step} the loss is no longer a number; try a smaller --lr"
            )
        adam.update(model, backward(model, tokens, probs, traces, cache), step)
        if step % 500 == 0 or step == settings.steps - 1:
            samples = (vocabulary.decode(generate(model, rng)) for _ in range(5))
            say(f"step {step:5d}  loss={loss:.4f}  t={time.perf_counter() - start:.2f}s  | "
                + "  ".join(f"sample {i}: {sample}" for i, sample in enumerate(samples)))
    say(f"Done in {time.perf_counter() - start:.3f}s")


def say(line):
    """Print a line at once, also into a pipe, with ? for what the output's encoding can't show.

    Exits if there is no way to write: silently if the reader of a pipe has gone.
    """
    try:
        if sys.stdout is None:
            raise OSError(None, "it is closed")
        encoding = sys.stdout.encoding or "utf-8"
        print(line.encode(encoding, "replace").decode(encoding), flush=True)
    except OSError as error:
        if sys.stdout:  # what is left unwritten must not fail again when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        sys.exit(f"microgpt: cannot write to standard output: {error.strerror}")


# %% 12. The run
# From the command line to a trained model, in a straight line. In a notebook, all names below are
# there for the next cell: vocabulary.decode(generate(model, rng)) invents one more name.


class Parser(argparse.ArgumentParser):
    """argparse with one line for an error, and no usage text around it."""

    def error(self, message):
        """Exit with status 2."""
        self.exit(2, f"microgpt: {message}; --help shows every flag\n")


def parse(arguments):
    """A list of command-line arguments -> Settings. Exits with status 2 if they make no sense."""
    parser = Parser(
        description="Train a small GPT on a list of names and print what it invents.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    for f in fields(Settings):
        parser.add_argument(flag(f.name), type=f.type, default=f.default, help=f.metadata["help"])
    return Settings(**vars(parser.parse_args(arguments)))


def command_line():
    """The arguments meant for this file: none in a notebook, where they are the kernel's own."""
    here, started = globals().get("__file__"), sys.argv[0]
    return sys.argv[1:] if here and Path(here).resolve() == Path(started).resolve() else []


@contextmanager
def exit_on(status, *errors):
    """Turn these errors into one line on standard error and an exit with this status."""
    try:
        yield
    except errors as error:
        print(f"microgpt: {str(error) or 'stopped'}", file=sys.stderr)
        sys.exit(status)


if __name__ == "__main__":
    with exit_on(130, KeyboardInterrupt), exit_on(1, FloatingPointError):
        with exit_on(2, ValueError, OSError):
            settings = parse(command_line())
            documents = read_documents(settings.data)
        vocabulary = Vocabulary(documents)
        rng = Xoshiro(settings.seed)
        model = init_model(settings, len(vocabulary.tokens), rng)
        train(model, documents, vocabulary, rng, settings)
