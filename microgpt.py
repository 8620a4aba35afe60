# %% [markdown]
# # microgpt: how a GPT learns, in one file
#
# A GPT reads the tokens so far, here letters, and says how likely each token is to come next. This
# one learns 92 names, most of them by heart, with nothing but Python and gradients derived by hand.
#
#     python microgpt.py                train it, in less than half a minute
#     python -m doctest microgpt.py     run every >>> example; no output means that all hold
#
# It begins with noise and ends with names, or nearly (on CPython 3.13; elsewhere the end may
# differ). The loss says how badly it predicted one name; some names are harder than others:
#
#     step     0  loss=3.2943  …  sample 0: m<BOS>kv<BOS>tpl  sample 1: kygocwfv  …
#     step  4999  loss=0.9001  …  sample 0: grace  sample 1: ellie  sample 2: rox  …
#
# This is the model. Each position in a name has a vector x. Training changes 3,632 numbers, the
# parameters: `wte` for tokens, `wpe` for positions, six matrices in attention and feed_forward.
#
#     x      = wte[token] + wpe[position]          numbers for the letter and its place
#     x      = x + attention(rmsnorm(x))           gather from the positions so far
#     x      = x + feed_forward(rmsnorm(x))        work on what was gathered
#     logits = linear(x, wte)                      a score for every token
#     probs  = softmax(logits)                     the scores as probabilities
#
# This is the training, name after name:
#
#     logits, trace = forward(model, inputs, new_cache(model))     predict every next letter
#     loss, probs = cross_entropy(logits, targets)                 measure how wrong that was
#     dlogits = cross_entropy_backward(probs, targets)             the slopes for the logits
#     dmodel = backward(model, inputs, dlogits, trace)             and for all parameters
#     adam.update(model, dmodel, step)                             a small step against the slopes
#
# The rest explains these ten lines. You need Python and school calculus. On a first reading, skip
# `Xoshiro`, the code of sections 7 and 11, and every function whose name ends in `_backward` except
# `cross_entropy_backward`. Notation:
#
#     dx         the slopes of the loss with respect to the numbers in x, in the same shape
#     [T, C]     a matrix, a list of T lists of C numbers; [n] is a vector, a list of n numbers
#     T, C, V    the number of positions; the length of their vectors; the size of the vocabulary
#     H, D       the number of attention heads; the length of one head's vectors: H · D = C
#     trace      what a forward keeps for its backward

# %% [markdown]
# ## 1. Names become numbers
# Each character is a token with a number, its id. Two more tokens mark the ends: a name begins with
# `<BOS>` and ends with `<EOS>`. (One could do both jobs; with two, each has one meaning.) The names
# use every letter but q, so V = 27. An id says nothing about its letter. So each token has a row of
# C = 16 numbers, its embedding: random at first, then whatever training makes of it.
#
# The task is to predict each next token. Our example, "emma", asks T = 5 questions:
#
#     inputs     <BOS>   e       m       m       a
#     targets    e       m       m       a       <EOS>
#
# In training the inputs are the real letters, however wrong the predictions were: teacher forcing.
# So all five are asked at once, each blind to later letters (section 4).

# %%
from dataclasses import dataclass
from math import cos, exp, inf, isfinite, log, pi, sqrt
from operator import mul
from time import perf_counter

NAMES = """
    emma katie lucas samuel olivia penelope george sara john jake ivy mary felix ava xavier kate
    ruby eli rose luca vera thomas nina jonah james ellie lila maria harry nora daniel maya
    maxim jacob wyatt alice theo amelia gabriel william iris dylan jane clara kevin lily zara
    owen stella grace martin evelyn isabella peter sarah aaron josh luke victor sofia bella mia
    liam oscar chloe benjamin adam max noah david lucy sophie will alex leo luna mason elias
    ella joseph oliver hannah violet henry elijah ryan levi anna eva isaac jack finn
""".split()

BOS, EOS = 0, 1

class Vocabulary:
    """The tokens in a list of names: `tokens` has their texts by id, `ids` is the reverse.

    >>> vocabulary = Vocabulary(NAMES)
    >>> vocabulary.tokens[:5], len(vocabulary.tokens)
    (['<BOS>', '<EOS>', 'a', 'b', 'c'], 27)
    >>> vocabulary.sequence("emma", block_size=8), vocabulary.decode([6, 14, 14, 2])
    ([0, 6, 14, 14, 2, 1], 'emma')
    """

    def __init__(self, documents):
        self.tokens = ["<BOS>", "<EOS>"] + sorted(set("".join(documents)))
        self.ids = {token: i for i, token in enumerate(self.tokens)}

    def sequence(self, document, block_size):
        """The ids of BOS, a name and EOS, but at most block_size + 1; block_size is 8 here.

        What is cut off (as penelope's EOS) is not taught. Raises KeyError for an unknown letter.
        """
        ids = [self.ids[character] for character in document]
        return [BOS, *ids, EOS][: block_size + 1]

    def decode(self, ids):
        """The text of a list of ids."""
        return "".join(self.tokens[i] for i in ids)

# %% [markdown]
# ## 2. Learning by slopes
# The loss is a number that says how wrong the model was. To learn is to change the parameters so
# that it falls. That takes slopes (derivatives): how fast does the loss change with one parameter?
# If its slope is positive, a little less of it lowers the loss; if negative, a little more. All
# slopes together are the gradient, and a small enough step against it lowers the loss.
#
# Slopes follow the chain rule. If y changes twice as fast as w, and the loss three times as fast as
# y, then the loss changes six times as fast as w: along a path, slopes multiply. If w acts on the
# loss by several paths, a nudge sends a change down each of them, and the slopes add up. Below, w
# acts on z twice. Values are computed from top to bottom, slopes from the loss back.

# %%
def two_parameters(w, b):
    """Numbers w, b -> loss, dw, db. A nudge checks dw, and a small step lowers the loss:

    >>> loss, dw, db = two_parameters(2.0, 3.0)
    >>> nudged, _, _ = two_parameters(2.001, 3.0)
    >>> round(nudged - loss, 4), round(0.001 * dw, 4)
    (0.016, 0.016)
    >>> lower, _, _ = two_parameters(2.0 - 0.01 * dw, 3.0 - 0.01 * db)
    >>> loss, round(lower, 2)
    (4.0, 1.47)
    """
    y = w * b  # 2 · 3 = 6
    z = y + w  # 6 + 2 = 8
    loss = (z - 6) ** 2  # 4

    dz = 2 * (z - 6)  # 4
    dy = dz  # 4, as z = y + w has slope 1 with respect to y
    db = dy * w  # 8, as y = w · b has slope w with respect to b
    dw = dz + dy * b  # 4 + 12 = 16: one path straight to z, one through y
    return loss, dw, db

# %% [markdown]
# Nudging every parameter would take 3,632 more forward passes. One backward pass takes about as
# long as two of them and gives every slope. This is backpropagation.
#
# What should fall is the mean loss over all names. Its gradient would take 92 backward passes. That
# of one name is a noisy estimate of it, but good enough for a small step. So a step follows every
# name: stochastic gradient descent.
#
# ## 3. Operations
# Each operation y = f(x) has a backward: given dy, it returns dx.
#
# The dot product of two vectors, Σ_i a[i] b[i], is positive if they point roughly the same way, 0
# at right angles and negative if opposed: that of [1, 2] is 8 with [2, 3], 0 with [2, -1] and -8
# with [-2, -3]. It also grows with their lengths. `linear` takes the dot products of each x[t] with
# the rows of a matrix: it compares. `mix` adds up rows, each times a weight: it blends.

# %%
try:
    from math import sumprod as dot  # from Python 3.12 on
except ImportError:

    def dot(a, b):
        """Σ_i a[i] b[i]: two vectors [n] -> a number. Raises ValueError if their lengths differ."""
        if len(a) != len(b):
            raise ValueError("a dot product takes two vectors of the same length")
        return sum(map(mul, a, b))

def add(a, b):
    """a[i] + b[i]: two vectors [n] -> [n]. Both slopes are 1, so da = db = dy."""
    return [a_i + b_i for a_i, b_i in zip(a, b)]

def transpose(rows):
    """Rows become columns: [m, n] -> [n, m]."""
    return list(map(list, zip(*rows)))

def linear(x, w):
    """y[t][i] = Σ_j w[i][j] x[t][j]: x [T, n], w [m, n] -> y [T, m].

    >>> linear([[10.0, 1.0]], w=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    [[12.0, 34.0, 56.0]]
    """
    return [[dot(x_t, row) for row in w] for x_t in x]

def mix(weights, rows):
    """y[t] = Σ_i weights[t][i] rows[i]: weights [T, m], rows [m, n] -> y [T, n]. Skips zeros.

    >>> mix([[10.0, 0.0, 1.0], [0.0, 0.0, 0.0]], rows=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    [[15.0, 26.0], [0.0, 0.0]]
    """
    y = []
    for weights_t in weights:
        y_t = []
        for w, row in zip(weights_t, rows):
            if w:  # the first such row starts the sum
                y_t = [a + w * b for a, b in zip(y_t, row)] if y_t else [w * b for b in row]
        y.append(y_t or [0.0] * len(rows[0]))
    return y

# %%
def linear_backward(dy, x, w):
    """Backward of linear: dy [T, m], x [T, n], w [m, n] -> dx [T, n], dw [m, n].

    x[t][j] acts on every y[t][i], with slope w[i][j]; w[i][j] acts on y[t][i] at every t, with
    slope x[t][j]. Slopes multiply, paths add up:
        dx[t][j] = Σ_i dy[t][i] w[i][j]         row t of dy · column j of w
        dw[i][j] = Σ_t dy[t][i] x[t][j]         column i of dy · column j of x
    Columns are rows of the transpose, so linear takes these dot products. The same sums are
    mix(dy, w) and mix(transpose(dy), x): the backward of comparing is blending. Dot products are
    usually faster in CPython, unless there are zeros to skip.
    """
    return linear(dy, transpose(w)), linear(transpose(dy), transpose(x))

def mix_backward(dy, weights, rows):
    """Backward of mix: dy [T, n], weights [T, m], rows [m, n] -> dweights [T, m], drows [m, n].

    By the same rules, from y[t][j] = Σ_i weights[t][i] rows[i][j]:
        dweights[t][i] = Σ_j dy[t][j] rows[i][j]         linear(dy, rows)
        drows[i][j] = Σ_t weights[t][i] dy[t][j]         mix(transpose(weights), dy)
    Slopes of weights of 0 are left out (0.0). That is right here, as the next backward, of softmax
    or squared_relu, would multiply them by 0.
    """
    dweights = [[dot(dy_t, row) if weight else 0.0 for weight, row in zip(weights_t, rows)]
                for dy_t, weights_t in zip(dy, weights)]
    return dweights, mix(transpose(weights), dy)

# %% [markdown]
# `softmax` turns scores into probabilities; e^x makes them positive. `cross_entropy` is the loss:
# the mean, over the T predictions, of the surprise -ln p(target). It is 0 for a model that was sure
# of every target, and ln 27 = 3.30 for one that finds all tokens equally likely. The probability of
# a name is the product of those of its tokens; the logarithm makes it a sum, a term for each token.

# %%
def softmax(x):
    """y[i] = e^x[i] / Σ_k e^x[k]: any numbers [n] -> probabilities [n].

    >>> softmax([0.0, log(3)]), softmax([1000.0, 1000.0])
    ([0.25, 0.75], [0.5, 0.5])
    """
    top = max(x)  # subtracting it keeps e^x from overflowing, and cancels out
    exps = [exp(x_i - top) for x_i in x]
    total = sum(exps)
    return [e / total for e in exps]

def softmax_backward(dy, y):
    """Backward of softmax, from its output: dy [n], y [n] -> dx [n].

    Let Z = Σ_k e^x[k]. As e^x is its own slope, the quotient rule gives that of y[i] for x[j]:
        if i = j    (e^x[i] Z - e^x[i] e^x[i]) / Z² = y[i] - y[i] y[i]
        if not      (0 - e^x[i] e^x[j]) / Z²        = -y[i] y[j]
    Times dy[i], added up over i: dx[j] = y[j] (dy[j] - Σ_i dy[i] y[i]).
    """
    average = dot(dy, y)  # of dy, each dy[i] with the weight y[i]
    return [y_j * (dy_j - average) for dy_j, y_j in zip(dy, y)]

def cross_entropy(logits, targets):
    """The mean of -ln p(target): logits [T, V], T ids -> loss (a number), probs [T, V]."""
    probs = list(map(softmax, logits))
    # A p that rounds to 0 has no logarithm; 5e-324 is the smallest float above 0.
    losses = [-log(probs_t[target] or 5e-324) for probs_t, target in zip(probs, targets)]
    return sum(losses) / len(losses), probs

def cross_entropy_backward(probs, targets):
    """Backward of cross_entropy: probs [T, V], T ids -> dlogits [T, V].

    At one position, loss = -ln(e^logits[target] / Z) = ln Z - logits[target], Z = Σ_k e^logits[k].
    ln Z has the slope 1/Z · e^logits[i] = probs[i] for logits[i]; -logits[target] has -1 for the
    target. So the gradient is probs minus a one-hot vector (1 at the target, 0 elsewhere), divided
    by T for the mean. A step against it raises the target's score and lowers the others.
    """
    dlogits = [[p / len(targets) for p in probs_t] for probs_t in probs]
    for dlogits_t, target in zip(dlogits, targets):
        dlogits_t[target] -= 1 / len(targets)
    return dlogits

# %%
def rmsnorm(x):
    """y = r x with r = 1 / √(mean(x²) + 1e-5): [n] -> [n] (Zhang and Sennrich 2019, equation 4).

    RMS is the root of the mean square, which is nearly 1 for y. So attention and feed-forward get
    numbers of one size, though x grows as layers add to it. The 1e-5 prevents a division by 0.
    """
    r = 1 / sqrt(dot(x, x) / len(x) + 1e-5)
    return [r * x_i for x_i in x]

def rmsnorm_backward(dy, x):
    """Backward of rmsnorm: dy [n], x [n] -> dx [n].

    r = u^(-1/2) with u = Σ_i x[i]² / n + 1e-5. Its slope for x[j] is -1/2 u^(-3/2) · 2 x[j] / n,
    which is -r³ x[j] / n. x[j] acts on y[j] directly, and through r on every y[i] = r x[i]:
        dx[j] = r dy[j] + Σ_i dy[i] x[i] · (-r³ x[j] / n)
    """
    r = 1 / sqrt(dot(x, x) / len(x) + 1e-5)
    through_r = dot(dy, x) * r**3 / len(x)
    return [r * dy_i - through_r * x_i for dy_i, x_i in zip(dy, x)]

def squared_relu(x):
    """y[i] = 0 if x[i] <= 0, else x[i]²: [n] -> [n] (So et al. 2021; a plain ReLU keeps x[i]).

    >>> squared_relu([0.5, -3.0])
    [0.25, 0.0]
    """
    return [0.0 if x_i <= 0 else x_i * x_i for x_i in x]

def squared_relu_backward(dy, x):
    """Backward of squared_relu: dy [n], x [n] -> dx [n]. The slope is 0 or 2 x[i]."""
    return [0.0 if x_i <= 0 else 2 * x_i * dy_i for dy_i, x_i in zip(dy, x)]

# %% [markdown]
# ## 4. Attention
# At first, each x holds only its own letter and place. To predict what follows "emm", the second m
# must find out what came before it. So each position gathers from itself and those before it.
#
# Three matrices turn each x into a query, a key and a value. One can think of the query as what a
# position looks for, of the key as what it is found by, and of the value as what it hands over.
# (Nothing forces them to be that; they become what lowers the loss.) The dot products of a query
# with the keys are scores, softmax turns these into weights, and with these the values are mixed.
#
# A position must not see later ones, or it would read its answer. So its weights for them are 0:
# the causal mask. Then nothing computed at a position changes when more letters follow. Keys and
# values can be kept in a cache, empty at the start of a name, and in sampling (section 9) a new
# letter costs the work of one position.
#
# One set of weights gathers in one way. So there are H = 4 heads: one can gather from the letter
# before, another from the first. For "emma", queries, keys and values [5, 16] are cut into four
# [5, 4]; from these, each head makes weights [5, 5] and gathers [5, 4]. Joined into [5, 16], the
# results pass through a fourth matrix, `wo`.

# %%
def split_heads(x, n_head):
    """Every vector cut into a piece for each head: [T, C] -> [H, T, D]. Backward: join_heads."""
    size = len(x[0]) // n_head
    return [[x_t[i : i + size] for x_t in x] for i in range(0, len(x[0]), size)]

def join_heads(heads):
    """The pieces put together again: [H, T, D] -> [T, C]. Backward: split_heads."""
    return [sum(pieces, []) for pieces in zip(*heads)]  # here, + joins lists

def attend(q, keys, values):
    """One head (Vaswani et al. 2017, equation 1) -> out [T, D], weights [T, S].

    q [T, D] are the queries of this call, keys and values [S, D] those of all positions so far. In
    training, one call has all positions: S = T. In sampling, T = 1, and S grows.

    Each dot product is divided by √D, its usual size: if its D terms are 1 or -1 at random, then in
    (a + b)² = a² + b² + 2ab, 2ab is 0 on average, and the square of the sum is about D. Scores far
    apart would make weights near 0 or 1, where softmax is nearly flat, and learning slow.

    >>> q = [[0.0] * 4, [log(9), 0.0, 0.0, 0.0]]  # the second scores are 0 and ln 9 / √4 = ln 3
    >>> attend(q, keys=[[0.0] * 4, [1.0] * 4], values=[[10.0], [20.0]])
    ([[10.0], [17.5]], [[1.0, 0.0], [0.25, 0.75]])
    """
    scale = 1 / sqrt(len(q[0]))
    weights = []
    earlier = len(keys) - len(q)  # positions of earlier calls: in training 0, in sampling S - 1
    for t, q_t in enumerate(q, start=earlier):
        scores = [scale * dot(q_t, key) for key in keys[: t + 1]]  # keys 0 to t
        weights.append(softmax(scores) + [0.0] * (len(keys) - 1 - t))  # the causal mask
    return mix(weights, values), weights

def attend_backward(dout, q, keys, values, weights):
    """Backward of attend, for T = S: dout [T, D] -> dq, dkeys, dvalues, [T, D] each."""
    scale = 1 / sqrt(len(q[0]))
    dweights, dvalues = mix_backward(dout, weights, values)
    dscores = map(softmax_backward, dweights, weights)  # 0 where masked, as the weight is 0
    dproducts = [[scale * d for d in row] for row in dscores]
    dq, dkeys = linear_backward(dproducts, q, keys)
    return dq, dkeys, dvalues

# %%
def attention(x, layer, n_head, cache):
    """All heads: x [T, C], normed -> y [T, C], trace. Appends keys and values to the cache."""
    queries = linear(x, layer.wq)  # [T, C]
    keys, values = cache
    keys.extend(linear(x, layer.wk))  # [T, C] more: [S, C] in all
    values.extend(linear(x, layer.wv))
    q, k, v = (split_heads(rows, n_head) for rows in (queries, keys, values))  # [H, T or S, D]
    outs, weights = zip(*map(attend, q, k, v))  # a call a head, unzipped: [H, T, D], [H, T, S]
    out = join_heads(outs)  # [T, C]
    return linear(out, layer.wo), (x, q, k, v, weights, out)

def attention_backward(dy, layer, trace):
    """Backward of attention, from an empty cache: dy [T, C] -> dx [T, C], dwq, dwk, dwv, dwo."""
    x, q, k, v, weights, out = trace
    dout, dwo = linear_backward(dy, out, layer.wo)
    douts = split_heads(dout, len(q))  # [H, T, D]
    dq, dk, dv = zip(*map(attend_backward, douts, q, k, v, weights))  # [H, T, D] each
    # The rows of wq, wk and wv, one after another, are one matrix [3C, C] from x to q, k and v.
    dqkv = join_heads([*dq, *dk, *dv])  # [T, 3C]
    dx, dw = linear_backward(dqkv, x, [*layer.wq, *layer.wk, *layer.wv])
    n = len(layer.wq)
    return dx, dw[:n], dw[n : 2 * n], dw[2 * n :], dwo

# %% [markdown]
# ## 5. Feed-forward
# Then each position works, on its own, on what it has gathered. Each of 4C = 64 hidden units
# compares x with its row of `fc1`. The better the match, the more of its row of `fc2` it adds; a
# match below 0 counts as none, and `mix` skips that row. Without the squared ReLU between them,
# `fc1` and `fc2` could do no more than one matrix: linear after linear is linear.

# %%
def feed_forward(x, layer):
    """All hidden units: x [T, C], normed -> y [T, C], trace."""
    matches = linear(x, layer.fc1)  # [T, C] -> [T, 4C]
    hidden = list(map(squared_relu, matches))
    return mix(hidden, layer.fc2), (x, matches, hidden)  # [T, 4C] -> [T, C]

def feed_forward_backward(dy, layer, trace):
    """Backward of feed_forward: dy [T, C] -> dx [T, C], dfc1, dfc2 [4C, C]."""
    x, matches, hidden = trace
    dhidden, dfc2 = mix_backward(dy, hidden, layer.fc2)
    dmatches = list(map(squared_relu_backward, dhidden, matches))
    # linear_backward by mix, because much of dmatches is 0:
    return mix(dmatches, layer.fc1), mix(transpose(dmatches), x), dfc2

# %% [markdown]
# ## 6. The model
# A model is its matrices. `Settings` says how large they are, and how to train them.

# %%
@dataclass
class Settings:
    """What can be changed without changing code."""

    n_embd: int = 16  # length of the vectors inside the model, a multiple of n_head
    n_head: int = 4  # attention heads
    n_layer: int = 1  # layers, each of them attention and feed-forward
    block_size: int = 8  # the largest number of positions, and the longest sample
    steps: int = 5000  # training steps, one name each
    lr: float = 0.01  # learning rate: about how far a parameter moves in a step, at first
    beta1: float = 0.9  # how slowly Adam forgets slopes
    beta2: float = 0.95  # how slowly Adam forgets squared slopes
    seed: int = 42  # where random numbers start, from 0 to 2**64 - 1
    data: str = ""  # file with one name per line (default: names.txt beside this program)

    def __post_init__(self):
        """Section 11 puts its checks here."""

@dataclass
class Layer:
    """The matrices of one layer, also called a transformer block."""

    wq: list  # [C, C] makes queries
    wk: list  # [C, C] makes keys
    wv: list  # [C, C] makes values
    wo: list  # [C, C] turns what the heads gathered into what is added to x
    fc1: list  # [4C, C] what each hidden unit compares with
    fc2: list  # [4C, C] what each hidden unit adds to x

@dataclass
class Model:
    """All parameters. A gradient is a Model too: dmodel.wte[i][j] is the slope for wte[i][j]."""

    n_head: int
    wte: list  # [V, C] token embeddings
    wpe: list  # [block_size, C] position embeddings
    layers: list  # of Layer

def matrices(model):
    """All matrices of a model, always in the same order."""
    return [model.wte, model.wpe] + [w for layer in model.layers for w in vars(layer).values()]

# %% [markdown]
# Parameters start at random: hidden units that start alike in both `fc1` and `fc2` would get equal
# slopes and stay alike. They start small, so that all tokens seem about equally likely. Only `wo`
# and `fc2` start at 0, as is often done: at first, no layer adds anything to x. Yet they learn:
# like that of b in section 2, dy · w, their slopes do not depend on them, and are not 0. Only those
# of `wq`, `wk`, `wv` and `fc1` have the numbers in `wo` or `fc2` as factors, and are 0 in step 0.

# %%
class Xoshiro:
    """The generator xoshiro128+ (Blackman and Vigna 2021), with a seed of 64 bits.

    Python's `random` would do, but programs in other languages can start from these numbers.

    >>> rng = Xoshiro(seed=2**32)
    >>> rng.state == [0xDEADBEEF, 0xCAFEBABF, 1, 2]
    True
    >>> rng.state = [1, 2, 3, 4]  # the reference draws 5, 12295, 25178119, ...
    >>> round(rng.normal(sigma=1.0), 4) == round(sqrt(-2 * log(6 / 2**32)), 4)
    True
    >>> [rng.draw() for _ in range(3)]
    [25178119, 27286542, 39879690]
    >>> rng.state = [2**32 - 1, 0, 0, 0]  # the largest draw takes the last weight above 0
    >>> rng.choice([1.0, 1.0, 0.0])
    1
    """

    def __init__(self, seed):
        high = seed >> 32
        words = seed ^ 0xDEADBEEF, high ^ 0xCAFEBABE, seed + 1, high + 1
        self.state = [word % 2**32 for word in words]

    def draw(self):
        """A random whole number from 0 to 2**32 - 1."""
        s0, s1, s2, s3 = self.state
        a, b = s2 ^ s0, s3 ^ s1
        words = s0 ^ b, s1 ^ a, a ^ (s1 << 9), (b << 11) | (b >> 21)
        self.state = [word % 2**32 for word in words]
        return (s0 + s3) % 2**32

    def normal(self, sigma):
        """A draw from the normal distribution: mean 0, deviation sigma (Box and Muller 1958)."""
        u1 = (self.draw() + 1) / (2**32 + 1)  # above 0, so that it has a logarithm
        u2 = self.draw() / (2**32 - 1)
        return sigma * sqrt(-2 * log(u1)) * cos(2 * pi * u2)

    def choice(self, weights):
        """A random index into weights [n]: i has the probability weights[i] / their sum."""
        dart = self.draw() / (2**32 - 1) * sum(weights)
        for i, weight in enumerate(weights):
            dart -= weight
            if dart <= 0:
                return i
        return i  # rounding can carry the dart just past the end

def init_model(settings, vocab_size, rng):
    """A new Model, drawn from rng in the order of matrices(model)."""
    n = settings.n_embd

    def matrix(n_rows, sigma=0.02):
        return [[rng.normal(sigma) for _ in range(n)] for _ in range(n_rows)]

    def layer():  # wo and fc2 are zeros, but they use up draws
        wq, wk, wv, wo = matrix(n), matrix(n), matrix(n), matrix(n, sigma=0.0)
        return Layer(wq, wk, wv, wo, fc1=matrix(4 * n), fc2=matrix(4 * n, sigma=0.0))

    wte, wpe = matrix(vocab_size), matrix(settings.block_size)
    return Model(settings.n_head, wte, wpe, [layer() for _ in range(settings.n_layer)])

# %% [markdown]
# Without the row of `wpe` for the place, one layer would predict the same after "amy" as after
# "may", as a sum does not know the order of its terms. At the end, x is compared with every row of
# `wte`, used a second time (weight tying): the better the match, the likelier that token is next.
#
# Attention and feed-forward add to x and do not replace it (residual connections): x + f(x) has the
# slope 1 + f′(x), and the 1 hands slopes back unchanged. Without it, slopes through many layers
# would be products of their f′(x), which can fade.

# %%
def new_cache(model):
    """For each layer, the keys and the values of all positions so far: none yet."""
    return [([], []) for _ in model.layers]

def forward(model, tokens, cache):
    """T ids, put at the next free positions -> logits [T, V], trace. Adds to the cache.

    Raises IndexError if no position is left or an id is too large. Negative ids count from the end.
    """
    start = len(cache[0][0])  # the positions that are taken: keys in the first layer
    x = [add(model.wte[token], model.wpe[start + t]) for t, token in enumerate(tokens)]  # [T, C]
    traces = []
    for layer, layer_cache in zip(model.layers, cache):
        y, attention_trace = attention(list(map(rmsnorm, x)), layer, model.n_head, layer_cache)
        middle = list(map(add, x, y))
        y, feed_forward_trace = feed_forward(list(map(rmsnorm, middle)), layer)
        traces.append((x, attention_trace, middle, feed_forward_trace))
        x = list(map(add, middle, y))
    return linear(x, model.wte), (traces, x)  # [T, C] -> [T, V]

# %% [markdown]
# ## 7. The way back, and the proof
# `backward` is `forward` in reverse, from the logits through the layers to the embeddings. Each
# step hands its dx to the one before. The examples check it by nudging every parameter of a small
# model. In a framework such as PyTorch you would write only forward: it records each operation as
# it runs, and `loss.backward()` runs their backwards in reverse.

# %%
def backward(model, tokens, dlogits, trace):
    """Backward of forward, from an empty cache: T ids, dlogits [T, V] -> the gradient, a Model."""
    traces, x = trace
    dx, dwte = linear_backward(dlogits, x, model.wte)
    dlayers = []
    for layer, layer_trace in zip(reversed(model.layers), reversed(traces)):
        x, attention_trace, middle, feed_forward_trace = layer_trace
        # x and middle act on the loss by two paths: straight on, and through rmsnorm.
        dnormed, dfc1, dfc2 = feed_forward_backward(dx, layer, feed_forward_trace)
        dx = list(map(add, dx, map(rmsnorm_backward, dnormed, middle)))
        dnormed, dwq, dwk, dwv, dwo = attention_backward(dx, layer, attention_trace)
        dx = list(map(add, dx, map(rmsnorm_backward, dnormed, x)))
        dlayers.insert(0, Layer(dwq, dwk, dwv, dwo, dfc1, dfc2))
    for token, dx_t in zip(tokens, dx):  # x[t] was wte[token] + wpe[t]
        dwte[token] = add(dwte[token], dx_t)
    dwpe = dx + [[0.0] * len(row) for row in model.wpe[len(dx) :]]
    return Model(model.n_head, dwte, dwpe, dlayers)

# %%
def loss_and_gradient(model, tokens):
    """Forward and backward for one name: T+1 ids -> loss (a number), dmodel (a Model).

    Is all this right? Take a small model, with random numbers where zeros would hide mistakes:

    >>> rng, tokens = Xoshiro(seed=7), [0, 4, 5, 5, 2, 1]
    >>> model = init_model(Settings(n_embd=4, n_head=2, n_layer=2, block_size=6), 6, rng)
    >>> for w in matrices(model):
    ...     for row in w:
    ...         row[:] = [rng.normal(sigma=0.5) for _ in row]

    All tokens at once, as in training, and one by one, as in sampling, have equal logits:

    >>> logits, trace = forward(model, tokens, new_cache(model))
    >>> cache = new_cache(model)
    >>> [forward(model, [token], cache)[0][0] for token in tokens] == logits
    True

    wte is used twice, and its slopes add up: those of the end go to every row, those of the start
    to the rows of tokens, all but that of id 3. (Any dlogits will do; here, the logits.)

    >>> _, dwte_at_end = linear_backward(logits, trace[1], model.wte)
    >>> dwte = backward(model, tokens, logits, trace).wte
    >>> [i for i in range(6) if dwte[i] == dwte_at_end[i]]
    [3]

    Each parameter, if nudged, changes the loss as its slope says:

    >>> loss, dmodel = loss_and_gradient(model, tokens)
    >>> errors = []
    >>> for w, dw in zip(matrices(model), matrices(dmodel)):
    ...     for row, drow in zip(w, dw):
    ...         for j, slope in enumerate(drow):
    ...             row[j] += 1e-7
    ...             nudged, _ = loss_and_gradient(model, tokens)
    ...             row[j] -= 1e-7
    ...             errors.append(abs((nudged - loss) / 1e-7 - slope))
    >>> len(errors), max(errors) < 1e-5
    (432, True)
    """
    inputs, targets = tokens[:-1], tokens[1:]
    logits, trace = forward(model, inputs, new_cache(model))
    loss, probs = cross_entropy(logits, targets)
    dlogits = cross_entropy_backward(probs, targets)
    return loss, backward(model, inputs, dlogits, trace)

# %% [markdown]
# ## 8. Adam
# How far should a parameter move against its slope g? Slopes are noisy, as each comes from one
# name, and of very different sizes. Adam (Kingma and Ba 2015, Algorithm 1) keeps two averages for
# each parameter, of g and of g², and changes it by
#
#     -lr · average(g) / (√average(g²) + 1e-8)
#
# (1e-8 prevents 0 / 0.) If g stays the same, the quotient is ±1 and the step lr long, however large
# g is. If g keeps changing sign, it cancels in the average of g but not of g²: a short step.
#
# Both averages forget: the newest g has weight 1, the one before it β, then β², and so on, with β a
# little below 1 (beta1 for g, beta2 for g²). With β = 0.9, the average of 3 and then 5 is
# (0.9 · 3 + 5) / (0.9 + 1). In general, it is total / n, with
#
#     total = β · total + g                 in every step, from 0 on
#     n     = 1 + β + β² + … + β^step       the sum of the weights
#           = (1 - β^(step+1)) / (1 - β)    as (1 + β + β²)(1 - β) = 1 - β³
#
# (Dividing by n includes the paper's bias correction.) The learning rate falls from lr to 0 in a
# straight line, so that the parameters settle in the end, despite the noise of single names.

# %%
class Adam:
    """The two totals for each parameter of a model, and the update that uses them.

    By hand, two steps of a model of two numbers; lr is 0.01, then 0.005; n is 1, then 1 + β:

    >>> model = Model(1, wte=[[1.0]], wpe=[[1.0]], layers=[])
    >>> adam = Adam(model, Settings(steps=2))
    >>> adam.update(model, Model(1, wte=[[3.0]], wpe=[[1e-8]], layers=[]), step=0)
    >>> round(model.wte[0][0], 6), round(model.wpe[0][0], 6)  # 1 - 0.01 · 3 / √9, 1 - 0.01 / 2
    (0.99, 0.995)
    >>> adam.update(model, Model(1, wte=[[0.0]], wpe=[[0.0]], layers=[]), step=1)
    >>> round(model.wte[0][0], 6)  # 0.99 - 0.005 · (0.9 · 3 / 1.9) / √(0.95 · 9 / 1.95)
    0.986607
    """

    def __init__(self, model, settings):
        self.settings = settings
        self.totals = [[[0.0] * len(row) for row in w] for w in matrices(model)]
        self.squares = [[[0.0] * len(row) for row in w] for w in matrices(model)]

    def update(self, model, dmodel, step):
        """Change every parameter in place, by one step; step is 0, 1, 2, …"""
        beta1, beta2 = self.settings.beta1, self.settings.beta2
        n1 = (1 - beta1 ** (step + 1)) / (1 - beta1)  # n for beta1
        n2 = (1 - beta2 ** (step + 1)) / (1 - beta2)
        lr = self.settings.lr * max(0, 1 - step / self.settings.steps)
        rate = lr / n1  # so rate · total is lr · average
        for group in zip(matrices(model), matrices(dmodel), self.totals, self.squares):
            for row, drow, total, square in zip(*group):
                for j, g in enumerate(drow):
                    total[j] = total_j = beta1 * total[j] + g
                    square[j] = square_j = beta2 * square[j] + g * g
                    row[j] -= rate * total_j / (sqrt(square_j / n2) + 1e-8)

# %% [markdown]
# ## 9. Sampling and training
# To invent a name, start with BOS, draw a token from the probabilities, make it the next input, and
# go on until EOS is drawn or all positions are taken. (Many programs first divide the logits by a
# temperature: below 1, the likeliest become likelier still, and samples safer; above 1, bolder.)

# %%
def generate(model, rng):
    """A sample from the model: a list of at most block_size ids, without the EOS."""
    cache = new_cache(model)
    token, sample = BOS, []
    for _ in range(len(model.wpe)):  # block_size times
        logits, _ = forward(model, [token], cache)
        token = rng.choice(softmax(logits[0]))
        if token == EOS:
            break
        sample.append(token)
    return sample

def train(model, documents, vocabulary, rng, settings):
    """Train the model in place. Print the loss and five samples every 500 steps and at the end.

    A step is one name, in the order of the list; a random order is more common. Its loss is that
    before the update. Raises FloatingPointError if it is not finite.

    >>> rng = Xoshiro(Settings().seed)
    >>> model = init_model(Settings(), 27, rng)
    >>> train(model, NAMES, Vocabulary(NAMES), rng, Settings(steps=1))  # doctest: +ELLIPSIS
    microgpt  vocab=27  params=3632 ...
    step     0  loss=3.2943  t=...s  | sample 0: m<BOS>kv<BOS>tpl  sample 1: kygocwfv  sample ...
    """
    start = perf_counter()
    n_params = sum(len(row) for w in matrices(model) for row in w)
    sizes = f"layers={len(model.layers)}  embd={len(model.wte[0])}  heads={model.n_head}"
    print(f"microgpt  vocab={len(model.wte)}  params={n_params}  {sizes}")
    print(f"Training {settings.steps} steps on {len(documents)} names\n")
    adam = Adam(model, settings)
    for step in range(settings.steps):
        tokens = vocabulary.sequence(documents[step % len(documents)], len(model.wpe))
        loss, dmodel = loss_and_gradient(model, tokens)
        if not isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at step {step}; try a smaller lr")
        adam.update(model, dmodel, step)
        if step % 500 == 0 or step == settings.steps - 1:
            samples = [f"sample {i}: {vocabulary.decode(generate(model, rng))}" for i in range(5)]
            seconds = perf_counter() - start
            print(f"step {step:5d}  loss={loss:.4f}  t={seconds:.2f}s  | {'  '.join(samples)}")
    print(f"Done in {perf_counter() - start:.3f}s")

# %% [markdown]
# ## 10. What it has learned
# How low can the loss go? Not to 0, because nothing says which name will come. A model that knew
# the list by heart would give each name a probability of 1/92. The surprises of its T = 4 to 8
# predictions add up to ln 92 = 4.52 (section 3), and the loss, their mean, is 4.52 / T, on average
# 0.81: nearly the least possible. After 5,000 steps it is 0.89, and 7 in 10 samples are names that
# were taught (averages over 15 seeds).
#
# So the model has learned the list, and little of what names are like. The loss on names kept out
# of training falls at first, then rises, in the end far above that of blind guessing (7.0 against
# 3.30), as the model grows sure of letters that do not come: overfitting, from seeing the same few
# names over 50 times each. Taught 5,000 of the 32,000 names of Karpathy's makemore, once each, the
# same program (with block_size 12) predicts unseen names about as well as taught ones. (The README
# says how all this was measured.)
#
# What has attention learned? To fetch from earlier letters what tells the names apart: a model
# whose positions see only themselves stays at a loss of 1.49. From the fourth position on, a
# trained head gives, on average, three quarters of its weight to a single position; which one
# differs from name to name.
#
# The GPTs that you can chat with have vastly more text, cut into pieces of words; many layers, and
# a norm after the last; many texts a step (a batch); and, at the end, training on conversations.
#
# ## 11. The run
# What remains is not about GPTs: files, flags and errors. The last cell runs it all. A notebook's
# next cell can use what it leaves: `vocabulary.decode(generate(model, rng))`.

# %%
import argparse
import re
import sys
from pathlib import Path

FILE = globals().get("__file__")  # this file; most notebooks have none

def check(settings):
    """Raise ValueError if a setting makes no sense."""
    for name in ("n_embd", "n_head", "n_layer", "block_size", "steps"):
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} must be 1 or more, not {getattr(settings, name)}")
    if settings.n_embd % settings.n_head:
        raise ValueError(f"n_embd {settings.n_embd} is not a multiple of n_head {settings.n_head}")
    if not 0 < settings.lr < inf:
        raise ValueError(f"lr must be positive and finite, not {settings.lr}")
    for beta in (settings.beta1, settings.beta2):
        if not 0 <= beta < 1:
            raise ValueError(f"beta1 and beta2 must be 0 or more and below 1, not {beta}")
    if not 0 <= settings.seed < 2**64:
        raise ValueError(f"seed must be from 0 to 2**64 - 1, not {settings.seed}")

Settings.__post_init__ = check  # from here on, Settings(...) refuses such values

def read_documents(data=""):
    """The lines of a UTF-8 file, stripped, without blank ones: names.txt by default, or else NAMES.

    Raises OSError if the file can't be read, ValueError if it is not UTF-8 text or has no names.
    """
    path = Path(data) if data else Path(FILE or "microgpt.py").resolve().with_name("names.txt")
    if not data and not path.exists():
        return NAMES
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        message = f"cannot read '{path}': {error.strerror}; give another file with --data"
        raise type(error)(message) from None
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start].decode("utf-8") + ".").splitlines())
        raise ValueError(f"'{path}', line {line}: not UTF-8; save it as UTF-8 text") from None
    if "\0" in text:
        raise ValueError(f"'{path}' has NUL characters in it; save it as UTF-8 text")
    lines = text.replace("\ufeff", "").splitlines()  # without byte-order marks
    documents = [line.strip() for line in lines if line.strip()]
    if not documents:
        raise ValueError(f"'{path}' has no names in it; write one name per line")
    return documents

# %%
def parse(arguments):
    """Command-line arguments -> Settings. The comments in Settings are the help for its flags."""

    def error(message):
        raise ValueError(f"{message}; --help shows every flag")

    description = "Train a small GPT on a list of names and print what it invents."
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.error = error
    comments = dict(re.findall(r"    (\w+): \w+ = .*  # (.+)", Path(FILE).read_text("utf-8")))
    for name, default in vars(Settings()).items():
        flag = "--" + name.replace("_", "-")
        words = comments.get(name, "") + (f" (default: {default})" if default else "")
        parser.add_argument(flag, type=type(default), default=default, help=words)
    return Settings(**vars(parser.parse_args(arguments)))

if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):  # each line at once, ? for what can't be shown
        sys.stdout.reconfigure(line_buffering=True, errors="replace")
    status, problem = 2, ""
    try:
        # A notebook has no flags, even if it has a __file__.
        started = FILE and Path(FILE).resolve() == Path(sys.argv[0]).resolve()
        settings = parse(sys.argv[1:]) if started else Settings()
        documents = read_documents(settings.data)
        status = 1
        vocabulary = Vocabulary(documents)
        rng = Xoshiro(settings.seed)
        model = init_model(settings, len(vocabulary.tokens), rng)
        train(model, documents, vocabulary, rng, settings)
        status = 0
    except KeyboardInterrupt:
        status, problem = 130, "stopped"
    except MemoryError:
        status, problem = 1, "out of memory; try smaller sizes or less data"
    except (ValueError, OSError, FloatingPointError) as error:
        if isinstance(error, ValueError) and status == 1:
            raise  # not bad input but a mistake in the code
        problem = "" if isinstance(error, BrokenPipeError) else str(error)
        if isinstance(error, OSError) and status == 1:
            sys.stdout = None  # it can't be written to: Python must not try again at the end
    if status:  # only here, after the failed calls' memory is freed
        if problem and sys.stderr:
            print("microgpt:", *problem.splitlines(), file=sys.stderr)
        sys.exit(status)
