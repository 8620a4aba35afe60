# %% [markdown]
# # microgpt: how a GPT learns, in one file
#
# A GPT reads the tokens so far (here: letters) and says how likely each token is to come next. This
# file builds one, trains it on 92 names and lets it invent names of its own. It needs nothing but
# Python, and every gradient in it is derived by hand.
#
#     python microgpt.py                train it, in about half a minute
#     python microgpt.py --help         what can be changed
#     python -m doctest microgpt.py     run every >>> example; no output means that all hold
#
# After one step the model spells noise; after 5,000, names, or nearly (here on CPython 3.13):
#
#     step     0  loss=3.2943  …  sample 0: m<BOS>kv<BOS>tpl  sample 1: kygocwfv  …
#     step  4999  loss=0.9001  …  sample 0: grace  sample 1: ellie  sample 2: rox  …
#
# This is the model, in which each position has a vector x. All that the model learns is held in
# 3,632 numbers, its parameters: the matrices `wte` and `wpe`, and six more inside attention and
# feed_forward.
#
#     x      = wte[token] + wpe[position]          numbers for the letter, and for its place
#     x      = x + attention(rmsnorm(x))           gather from the positions so far
#     x      = x + feed_forward(rmsnorm(x))        work on what was gathered
#     logits = linear(x, wte)                      a score for every token
#     probs  = softmax(logits)                     the scores as probabilities
#
# This is the training, for one name after another:
#
#     logits, trace = forward(model, inputs, new_cache(model))     predict every next letter
#     loss, probs = cross_entropy(logits, targets)                 measure how wrong that was
#     dlogits = cross_entropy_backward(probs, targets)             the slopes for all logits,
#     dmodel = backward(model, inputs, dlogits, trace)             and for all parameters
#     adam.update(model, dmodel, step)                             a small step against the slopes
#
# The rest explains these ten lines, with "emma" as the example. You need to know Python and how to
# take a derivative. On a first reading, which takes a good hour, skip `backward` and the functions
# whose names end in `_backward`, except for those of `linear` and `cross_entropy`, which carry the
# idea. An example in section 7 checks that all are right.

# %% [markdown]
# ## Notation
#
#     T, S       the number of positions in one call; S counts earlier ones too (section 4)
#     C          the length of the vector at each position (n_embd)
#     H, D       the number of attention heads, the length of one head's vectors: H · D = C
#     V          the number of tokens in the vocabulary
#     m, n       any two sizes
#     t; i, j    a position; indices into vectors and matrices, as in x[t][i]
#     dx         the slopes of the loss with respect to the numbers in x, in the same shape
#     [n]        a vector, a list of n numbers; [T, C] is a matrix, a list of T lists of C numbers
#     ln         the natural logarithm, `log` in Python

# %% [markdown]
# ## 1. Names become numbers
# Each different character is a token, and gets a number, its id. Two more tokens mark the ends:
# `<BOS>` says that a name begins, `<EOS>` that it ends. (One could do both jobs; with two, each has
# one meaning.) The 92 names use every letter but q, so there are V = 27 tokens.
#
# An id says nothing about its letter. So the model has a row of C = 16 numbers for each token, its
# embedding: at first random, then whatever training makes of it.
#
# The task is to predict each next token. "emma" asks T = 5 questions:
#
#     inputs     <BOS>   e       m       m       a
#     targets    e       m       m       a       <EOS>
#
# In training the inputs are the real letters, however wrong the predictions were. This is called
# teacher forcing. It is why all five questions can be asked at once.

# %%
import time
from dataclasses import dataclass
from math import cos, exp, inf, isfinite, log, pi, sqrt
from operator import mul

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
    """The tokens in a list of names: `tokens` are their texts by id, `ids` is the reverse.

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
        """The ids of BOS, a name and EOS, cut to block_size inputs and one more id, a target.

        The model has room for block_size positions. A name of that many letters or more fills them
        and loses its EOS: the model does not learn where it ends. Raises KeyError for a letter that
        has no id.
        """
        ids = [self.ids[character] for character in document[:block_size]]
        return [BOS, *ids, EOS][: block_size + 1]

    def decode(self, ids):
        """The text of a list of ids."""
        return "".join(self.tokens[i] for i in ids)


# %% [markdown]
# ## 2. Learning by slopes
# The loss says how wrong the model was. To learn is to change the parameters so that the loss
# falls, and that takes slopes: how much does the loss change for a tiny change of one parameter?
# All slopes together are the gradient. A small step against it lowers the loss.
#
# Slopes follow the chain rule. If w acts on y, and y on the loss, the two slopes multiply. If w
# acts on the loss along several paths, the changes that arrive by each add up, and so do the
# slopes. Here is a model of two parameters, small enough for paper, in which w acts on z twice. The
# values are computed from top to bottom, the slopes from the loss back. dz is the slope of the loss
# with respect to z, and so on.


# %%
def two_parameters(w, b):
    """Numbers w, b -> loss, dw, db. If w grows by 0.001, the loss should grow by about 0.001 · dw:

    >>> loss, dw, db = two_parameters(2.0, 3.0)
    >>> nudged, _, _ = two_parameters(2.001, 3.0)
    >>> round(nudged - loss, 4), round(0.001 * dw, 4)
    (0.008, 0.008)

    And a small step against both slopes should lower it, here from 1:

    >>> lower, _, _ = two_parameters(2.0 - 0.01 * dw, 3.0 - 0.01 * db)
    >>> round(lower, 2)
    0.36
    """
    y = w * b  # 2 · 3 = 6
    z = y + w  # 6 + 2 = 8
    loss = (z - 7) ** 2  # 1

    dz = 2 * (z - 7)  # 2
    dy = dz  # 2, as z = y + w has slope 1 with respect to y
    db = dy * w  # 4, as y = w · b has slope w with respect to b
    dw = dz + dy * b  # 2 + 6 = 8: one path straight to z, one through y
    return loss, dw, db


# %% [markdown]
# Why not nudge every parameter, and skip the mathematics? Each nudge costs a forward pass: 3,632
# for one gradient, and one without a nudge. A backward pass costs about as much as two forward
# passes, and gives every slope. This is backpropagation. Without it, training a large model would
# take far too long.
#
# What should fall is the mean loss over all names. But its gradient takes 92 backward passes, and
# the gradient of a single name is an estimate of it, if a noisy one. So training takes a step after
# every name. This is stochastic gradient descent. Section 8 deals with the noise.

# %% [markdown]
# ## 3. Operations
# Each operation has a backward: for y = f(x), it takes dy, which the later operations have worked
# out, and returns dx.
#
# The products come first. The dot product of two vectors, Σ_i a[i] b[i], is large if they point the
# same way, 0 if at right angles, and negative if opposed. `linear` takes the dot products of each
# x[t] with every row of a matrix: it compares. `mix` adds up rows, each times a weight: it blends.
# The backward of `linear` uses `mix`, and that of `mix` uses `linear`.

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
    """a[i] + b[i]: two vectors [n] -> [n]. Both slopes are 1, so da and db are dy itself."""
    return [a_i + b_i for a_i, b_i in zip(a, b)]


def transpose(rows):
    """Rows become columns: [m, n] -> [n, m]."""
    return list(zip(*rows))


def linear(x, w):
    """y[t][i] = Σ_j w[i][j] x[t][j]: x [T, n], w [m, n] -> y [T, m].

    >>> linear([[10.0, 1.0]], w=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    [[12.0, 34.0, 56.0]]
    """
    return [[dot(x_t, row) for row in w] for x_t in x]


def mix(weights, rows):
    """y[t] = Σ_i weights[t][i] rows[i]: weights [T, m], rows [m, n] -> y [T, n].

    A row with weight 0 is skipped. In sections 4 and 5 there will be many.

    >>> mix([[10.0, 0.0, 1.0], [0.0, 0.0, 0.0]], rows=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    [[15.0, 26.0], [0.0, 0.0]]
    """
    y = []
    for weights_t in weights:
        y_t = []
        for w, row in zip(weights_t, rows):
            if w:
                y_t = [a + w * b for a, b in zip(y_t, row)] if y_t else [w * b for b in row]
        y.append(y_t or [0.0] * len(rows[0]))
    return y


# %%
def linear_backward(dy, x, w):
    """Backward of linear: dy [T, m], x [T, n], w [m, n] -> dx [T, n], dw [m, n].

    x[t][j] acts on every y[t][i], with slope w[i][j]. w[i][j] acts on y[t][i] at every position t,
    with slope x[t][j]. Slopes multiply, paths add up:

        dx[t][j] = Σ_i dy[t][i] w[i][j]         dx = mix(dy, w)
        dw[i][j] = Σ_t dy[t][i] x[t][j]         dw = mix(transpose(dy), x)

    Where there is no 0 to skip, mix(a, b) is usually faster written as dot products, which is what
    the code does: linear(a, transpose(b)).

    >>> linear_backward([[1.0, 10.0]], x=[[5.0, 6.0]], w=[[1.0, 2.0], [3.0, 4.0]])
    ([[31.0, 42.0]], [[5.0, 6.0], [50.0, 60.0]])
    """
    return linear(dy, transpose(w)), linear(transpose(dy), transpose(x))


def mix_backward(dy, weights, rows):
    """Backward of mix: dy [T, n], weights [T, m], rows [m, n] -> dweights [T, m], drows [m, n].

    As above, from y[t][j] = Σ_i weights[t][i] rows[i][j]:

        dweights[t][i] = Σ_j dy[t][j] rows[i][j]         dweights = linear(dy, rows)
        drows[i][j] = Σ_t weights[t][i] dy[t][j]         drows = mix(transpose(weights), dy)

    Where a weight is 0, its slope is not computed but left 0: softmax_backward (section 4) or
    squared_relu_backward (section 5) would multiply it by 0 anyway.
    """
    dweights = [
        [dot(dy_t, row) if weight else 0.0 for weight, row in zip(weights_t, rows)]
        for dy_t, weights_t in zip(dy, weights)
    ]
    return dweights, mix(transpose(weights), dy)


# %% [markdown]
# `softmax` turns scores into probabilities: numbers from 0 to 1 that add up to 1. `cross_entropy`
# is the loss. For one prediction it is the surprise, -ln p(target): 0 if the model was sure of the
# target, and larger the less it expected the target. A model that finds all 27 tokens equally
# likely has a loss of ln 27 = 3.30. Why a logarithm? The probability of a name is the product of
# its tokens' probabilities, which soon gets tiny; the logarithm turns it into a sum. The loss of a
# name is the mean over its T predictions.


# %%
def softmax(x):
    """y[i] = e^x[i] / Σ_k e^x[k]: any numbers [n] -> probabilities [n].

    Subtracting the largest x from all keeps e^x from overflowing and leaves the quotients as they
    are.

    >>> softmax([0.0, log(3)]), softmax([1000.0, 1000.0])
    ([0.25, 0.75], [0.5, 0.5])
    """
    top = max(x)
    exps = [exp(x_i - top) for x_i in x]
    total = sum(exps)
    return [e / total for e in exps]


def softmax_backward(dy, y):
    """Backward of softmax, from its output: dy [n], y [n] -> dx [n].

    With Z = Σ_k e^x[k], the quotient rule gives the slope of y[i] = e^x[i] / Z with respect to
    x[j]:

        if i = j    (e^x[i] Z - e^x[i] e^x[i]) / Z² = y[i] - y[i] y[i]
        if not      (0 - e^x[i] e^x[j]) / Z²        = -y[i] y[j]

    Times dy[i], and added up over all i: dx[j] = y[j] (dy[j] - Σ_i dy[i] y[i]).
    """
    average = dot(dy, y)  # of dy, each dy[i] with the weight y[i]
    return [y_j * (dy_j - average) for dy_j, y_j in zip(dy, y)]


# %%
def cross_entropy(logits, targets):
    """The mean of -ln p(target): logits [T, V], T ids -> loss (a number), probs [T, V].

    >>> loss, probs = cross_entropy([[0.0, log(3)], [0.0, log(3)]], targets=[0, 1])
    >>> probs, round(loss, 4) == round(-(log(0.25) + log(0.75)) / 2, 4)
    ([[0.25, 0.75], [0.25, 0.75]], True)
    """
    probs = list(map(softmax, logits))
    # p can round to 0, which has no logarithm; 5e-324 is the smallest float above it.
    losses = [-log(probs_t[target] or 5e-324) for probs_t, target in zip(probs, targets)]
    return sum(losses) / len(losses), probs


def cross_entropy_backward(probs, targets):
    """Backward of cross_entropy: probs [T, V], T ids -> dlogits [T, V].

    At one position, with Z = Σ_k e^logits[k],

        loss = -ln(e^logits[target] / Z) = ln Z - logits[target]

    The slope of ln Z with respect to logits[i] is e^logits[i] / Z = probs[i]; that of
    -logits[target] is -1 for the target. So the gradient is probs minus a one-hot vector (1 at the
    target, 0 elsewhere), divided by T for the mean. A step against it raises the target's score and
    lowers the others, the more so the more the model believed in them.
    """
    dlogits = [[p / len(targets) for p in probs_t] for probs_t in probs]
    for dlogits_t, target in zip(dlogits, targets):
        dlogits_t[target] -= 1 / len(targets)
    return dlogits


# %% [markdown]
# `rmsnorm` keeps a vector's direction and makes its mean square nearly 1, so that attention and
# feed-forward get numbers of similar size however the vectors grow in training. `squared_relu`
# turns negative numbers into 0 and squares the others.


# %%
def rmsnorm(x):
    """y = r x with r = 1 / √(mean(x²) + 1e-5): [n] -> [n] (Zhang and Sennrich 2019).

    The 1e-5 prevents a division by 0. The paper (equation 4) also has a learned factor.

    >>> [round(y_i, 3) for y_i in rmsnorm([3.0, -4.0])]
    [0.849, -1.131]
    """
    r = 1 / sqrt(dot(x, x) / len(x) + 1e-5)
    return [r * x_i for x_i in x]


def rmsnorm_backward(dy, x):
    """Backward of rmsnorm: dy [n], x [n] -> dx [n].

    r = u^(-1/2) with u = Σ_i x[i]² / n + 1e-5. Its slope with respect to x[j] is

        -1/2 u^(-3/2) · 2 x[j] / n = -r³ x[j] / n

    x[j] acts on y[j] = r x[j] directly, with slope r, and through r on every y[i] = r x[i]:

        dx[j] = r dy[j] + Σ_i dy[i] x[i] · (-r³ x[j] / n)
    """
    r = 1 / sqrt(dot(x, x) / len(x) + 1e-5)
    through_r = dot(dy, x) * r**3 / len(x)
    return [r * dy_i - through_r * x_i for dy_i, x_i in zip(dy, x)]


def squared_relu(x):
    """y[i] = 0 if x[i] <= 0, else x[i]²: [n] -> [n] (So et al. 2021)."""
    return [0.0 if x_i <= 0 else x_i * x_i for x_i in x]


def squared_relu_backward(dy, x):
    """Backward of squared_relu: dy [n], x [n] -> dx [n]. The slope is 0 if x[i] <= 0, else 2 x[i].

    >>> squared_relu([0.5, -3.0]), squared_relu_backward([10.0, 10.0], x=[3.0, -3.0])
    ([0.25, 0.0], [60.0, 0.0])
    """
    return [0.0 if x_i <= 0 else 2 * x_i * dy_i for dy_i, x_i in zip(dy, x)]


# %% [markdown]
# ## 4. Attention
# Each position has a vector x of C = 16 numbers; for "emma" they are [5, 16]. At first x holds only
# its own letter and place. To predict what follows "emm", the second m must find out what came
# before it. So each position gathers from itself and those before it.
#
# Three matrices turn x into a query, a key and a value. One can think of the query as what a
# position looks for, of the key as what it is found by, and of the value as what it hands over.
# (Nothing forces them to be that; they become what lowers the loss.) The dot products of a
# position's query with the keys are scores. softmax turns them into weights, and the position
# receives the sum of the values, each times its weight.
#
# No position may see a later one, or it would read its own answer. This is the causal mask: a query
# meets only the keys up to its own position, and its other weights are 0. Nothing that comes later
# can change a position's x, so its key and value stay the same when more letters follow. They are
# kept in a cache, and in sampling a new letter costs the work for one position only.
#
# All this happens in H = 4 heads side by side. Each has D = 4 of the 16 numbers of every query, key
# and value: [5, 16] is cut into four [5, 4], and each head has its own [5, 5] weights. So a
# position can gather in four ways at once. The results are joined into [5, 16] again, and a fourth
# matrix, `wo`, turns them into what is added to x.


# %%
def split_heads(x, n_head):
    """Every vector cut into a piece for each head: [T, C] -> [H, T, D]. Backward: join_heads.

    >>> split_heads([[1, 2, 3, 4], [5, 6, 7, 8]], n_head=2)
    [[[1, 2], [5, 6]], [[3, 4], [7, 8]]]
    """
    size = len(x[0]) // n_head
    return [[x_t[i : i + size] for x_t in x] for i in range(0, len(x[0]), size)]


def join_heads(heads):
    """The pieces put together again: [H, T, D] -> [T, C]. Backward: split_heads."""
    return [sum(pieces, []) for pieces in zip(*heads)]


def attend(q, keys, values):
    """One head (Vaswani et al. 2017, equation 1) -> out [T, D], weights [T, S].

    q [T, D], keys, values [S, D]: in training T = S; in sampling T = 1, the newest of S positions.

    A score is a sum of D products. If these are random, they partly cancel, and the sum grows only
    like √D: D random steps, forward or back, lead about √D away from the start. Large scores would
    give one position nearly all the weight, and then small changes of the scores change almost
    nothing, and little is learned. So scores are divided by √D.

    >>> q = [[0.0] * 4, [log(9), 0.0, 0.0, 0.0]]  # the last scores are 0 and ln 9 / √4 = ln 3
    >>> attend(q, keys=[[0.0] * 4, [1.0] * 4], values=[[10.0], [20.0]])
    ([[10.0], [17.5]], [[1.0, 0.0], [0.25, 0.75]])
    """
    scale = 1 / sqrt(len(q[0]))
    weights = []
    for t, q_t in enumerate(q, start=len(keys) - len(q)):  # t: 0, 1, … or S - 1
        scores = [scale * dot(q_t, key) for key in keys[: t + 1]]
        weights.append(softmax(scores) + [0.0] * (len(keys) - t - 1))  # the causal mask
    return mix(weights, values), weights


def attend_backward(dout, q, keys, values, weights):
    """Backward of attend, for T = S: dout [T, D] -> dq, dkeys, dvalues, [T, D] each.

    The mask needs no care: where a weight is 0, softmax_backward gives 0.
    """
    scale = 1 / sqrt(len(q[0]))
    dweights, dvalues = mix_backward(dout, weights, values)
    dscores = map(softmax_backward, dweights, weights)
    dproducts = [[scale * d for d in row] for row in dscores]  # scores were scale · products
    dq, dkeys = linear_backward(dproducts, q, keys)
    return dq, dkeys, dvalues


# %%
def attention(x, layer, n_head, cache):
    """All heads: x [T, C], normed -> y [T, C], trace. Appends keys and values to the cache.

    The trace keeps what backward will need: the slope of a product with respect to one factor is
    the other factor.
    """
    keys, values = cache
    q = linear(x, layer.wq)  # [T, C]
    keys.extend(linear(x, layer.wk))  # [T, C] more: [S, C] in all
    values.extend(linear(x, layer.wv))
    q, k, v = (split_heads(rows, n_head) for rows in (q, keys, values))  # [H, T or S, D]
    # attend gives a pair for each head; zip makes one of all outs and all weights.
    outs, weights = zip(*map(attend, q, k, v))  # [H, T, D], [H, T, S]
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
    n_embd = len(dx[0])
    return dx, dw[:n_embd], dw[n_embd : 2 * n_embd], dw[2 * n_embd :], dwo


# %% [markdown]
# ## 5. Feed-forward
# Then each position, on its own, works on what it has gathered. There are 4C = 64 hidden units.
# Each compares x with its row of `fc1`; the better the match, the more of its row of `fc2` it gives
# out. A match of 0 or less counts as none. One can think of a unit as a rule: if the vector looks
# like this, add that.
#
# With nothing between them, two matrices could do no more than one, because a linear function of a
# linear function is linear. Hence the squared ReLU. (A plain ReLU does not square. So et al. found
# that large models learn faster with the square.) In the trained model about two thirds of the
# units are at 0, on average. They add nothing and have slope 0, so `mix` saves time by skipping
# their rows. For that, `fc2` is stored like `fc1`, with one row for each unit.


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
    # linear_backward by mix, because most of dmatches is 0:
    return mix(dmatches, layer.fc1), mix(transpose(dmatches), x), dfc2


# %% [markdown]
# ## 6. The model
# Now the parts need sizes, first values, and something to put them together.


# %%
@dataclass
class Settings:
    """What can be changed without changing code. Raises ValueError for senseless values.

    >>> fine = Settings(beta1=0.0, seed=0)
    >>> for values in {"n_embd": 10}, {"beta1": 1.0}, {"seed": 2**64}:
    ...     try:
    ...         Settings(**values)
    ...     except ValueError as error:
    ...         print(error)
    n_embd 10 must be a multiple of n_head 4
    beta1 and beta2 must be 0 or more and below 1, not 1.0
    seed must be from 0 to 2**64 - 1, not 18446744073709551616
    """

    n_embd: int = 16  # length of the vectors inside the model, a multiple of n_head
    n_head: int = 4  # attention heads
    n_layer: int = 1  # layers, each of them attention and feed-forward
    block_size: int = 8  # the largest number of positions, and the longest sample
    steps: int = 5000  # training steps, one name each
    lr: float = 0.01  # learning rate: the length of the first steps
    beta1: float = 0.9  # how slowly Adam forgets slopes
    beta2: float = 0.95  # how slowly Adam forgets squared slopes
    seed: int = 42  # where random numbers start, from 0 to 2**64 - 1
    data: str = ""  # file with one name per line (default: names.txt beside this program)

    def __post_init__(self):
        for name in ("n_embd", "n_head", "n_layer", "block_size", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} must be a multiple of n_head {self.n_head}")
        if not 0 < self.lr < inf:
            raise ValueError(f"lr must be positive and finite, not {self.lr}")
        for beta in (self.beta1, self.beta2):
            if not 0 <= beta < 1:
                raise ValueError(f"beta1 and beta2 must be 0 or more and below 1, not {beta}")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be from 0 to 2**64 - 1, not {self.seed}")


# %% [markdown]
# Chance enters twice: in the first values of the parameters, and when a sample is drawn. Python's
# `random` would do, but this generator is easy to rewrite in any language, so that other programs
# can start from the same numbers and be compared with this one. How it works does not matter for
# what follows.


# %%
class Xoshiro:
    """The generator xoshiro128+ (Blackman and Vigna 2021): four 32-bit words, stirred at each draw.

    The seed has 64 bits. Nearby seeds start with nearly the same numbers.

    >>> rng = Xoshiro(seed=2**32)
    >>> rng.state == [0xDEADBEEF, 0xCAFEBABF, 1, 2]
    True
    >>> rng.state = [1, 2, 3, 4]
    >>> [rng.draw() for _ in range(6)]
    [5, 12295, 25178119, 27286542, 39879690, 1140358681]
    >>> [rng.choice([1.0, 2.0, 1.0]) for _ in range(4)]  # draws of 76, 96, 9 and 50% of 2**32
    [2, 2, 0, 1]
    """

    MASK = 2**32 - 1  # `& MASK` keeps the low 32 bits

    def __init__(self, seed):
        low, high = seed & self.MASK, (seed >> 32) & self.MASK
        words = low ^ 0xDEADBEEF, high ^ 0xCAFEBABE, low + 1, high + 1
        self.state = [word & self.MASK for word in words]

    def draw(self):
        """A whole number from 0 to 2**32 - 1, each very nearly equally likely."""
        s0, s1, s2, s3 = self.state
        result = (s0 + s3) & self.MASK
        shifted = (s1 << 9) & self.MASK
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = (s3 << 11 | s3 >> 21) & self.MASK
        self.state = [s0, s1, s2, s3]
        return result

    def normal(self, sigma):
        """A number from the bell curve of mean 0, standard deviation sigma (Box, Muller 1958).

        >>> rng = Xoshiro(seed=0)
        >>> rng.state = [1, 2, 3, 4]  # so u1 is 6 / 2**32, and u2 nearly 0
        >>> round(rng.normal(sigma=1.0), 4) == round(sqrt(-2 * log(6 / 2**32)), 4)
        True
        """
        u1 = (self.draw() + 1) / (2**32 + 1)  # above 0, so that it has a logarithm
        u2 = self.draw() / (2**32 - 1)
        return sigma * sqrt(-2 * log(u1)) * cos(2 * pi * u2)

    def choice(self, weights):
        """A random index into weights [n], as likely as its weight's share of the sum."""
        dart = self.draw() / (2**32 - 1) * sum(weights)
        for i, weight in enumerate(weights):
            dart -= weight
            if dart <= 0:
                return i
        return len(weights) - 1  # rounding can carry the dart just past the end


# %% [markdown]
# Most parameters start at random, because units that start equal would stay equal, and small, so
# that at first all tokens seem about equally likely. `wo` and `fc2` start at 0, as is often done:
# no layer adds anything to x until it helps. (In a model as small as this, random numbers work just
# as well.) The slope of `wq` has `wo` as a factor, as dw had b in section 2, so in the first step
# it is 0. The same goes for `wk`, `wv` and, because of `fc2`, for `fc1`. But the slope of `wo` has
# as a factor what was gathered, and that is not 0. After one step `wo` and `fc2` are not 0 either,
# and from then on all learn.


# %%
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


def random_matrix(rng, n_rows, n_cols, sigma=0.02):
    """Normal draws with standard deviation sigma: -> [n_rows, n_cols]."""
    return [[rng.normal(sigma) for _ in range(n_cols)] for _ in range(n_rows)]


def init_model(settings, vocab_size, rng):
    """A new Model, drawn from rng in the order in which the matrices stand here."""
    n_embd = settings.n_embd
    wte = random_matrix(rng, vocab_size, n_embd)
    wpe = random_matrix(rng, settings.block_size, n_embd)
    layers = []
    for _ in range(settings.n_layer):
        wq = random_matrix(rng, n_embd, n_embd)
        wk = random_matrix(rng, n_embd, n_embd)
        wv = random_matrix(rng, n_embd, n_embd)
        wo = random_matrix(rng, n_embd, n_embd, sigma=0.0)  # zeros, but they use up draws
        fc1 = random_matrix(rng, 4 * n_embd, n_embd)
        fc2 = random_matrix(rng, 4 * n_embd, n_embd, sigma=0.0)
        layers.append(Layer(wq, wk, wv, wo, fc1, fc2))
    return Model(settings.n_head, wte, wpe, layers)


def matrices(model):
    """All matrices of a model in a list, always in the same order."""
    return [model.wte, model.wpe] + [w for layer in model.layers for w in vars(layer).values()]


# %% [markdown]
# x begins as the sum of two rows: of `wte` for the token, and of `wpe` for the place. Without the
# place, one layer of attention would predict the same after "amy" as after "may", because a sum
# does not know the order of its terms. In each layer, attention and feed-forward add to x and do
# not replace it. These residual connections leave them only the changes to find, and give gradients
# a direct way back. At the end x is compared with every row of `wte`: the better the match, the
# likelier that token comes next.


# %%
def new_cache(model):
    """For each layer, the keys and the values of all positions so far: none yet."""
    return [([], []) for _ in model.layers]


def forward(model, tokens, cache):
    """T ids, put at the next free positions -> logits [T, V], trace. Fills the cache.

    All inputs of a name at once, as in training, give the same numbers as one after another, as in
    sampling:

    >>> rng, tokens = Xoshiro(seed=1), [0, 3, 4, 4, 2]
    >>> model = init_model(Settings(n_layer=2), vocab_size=5, rng=rng)
    >>> for w in matrices(model):  # random numbers everywhere, so that everything acts
    ...     w[:] = random_matrix(rng, len(w), len(w[0]), sigma=0.5)
    >>> at_once, _ = forward(model, tokens, new_cache(model))
    >>> cache = new_cache(model)
    >>> [forward(model, [token], cache)[0][0] for token in tokens] == at_once
    True

    Raises IndexError if block_size positions are taken, or an id is too large. (A negative id
    counts from the end, as in any list.)
    """
    start = len(cache[0][0])  # the positions that are taken, from the keys of the first layer
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
# ## 7. The way back
# `backward` is `forward` in reverse, from the logits through the layers, last to first, to the
# embeddings: each step hands its dx to the one before it. `wte` is used at both ends. It has two
# paths to the loss, and their slopes add up.
#
# With a framework such as PyTorch you would write only the forward functions. It records each
# operation as it runs, and `loss.backward()` runs their backwards in reverse order: what this file
# spells out.


# %%
def backward(model, tokens, dlogits, trace):
    """Backward of forward, from an empty cache: T ids, dlogits [T, V] -> the gradient, a Model.

    The use of wte at the end gives a slope to every token's row, because each could have been the
    answer. The use at the start adds to the rows of the tokens that came in, here 0, 2 and 3:

    >>> model, inputs, targets = init_model(Settings(), 5, Xoshiro(1)), [0, 3, 3, 2], [3, 3, 2, 1]
    >>> logits, (traces, x) = forward(model, inputs, new_cache(model))
    >>> _, probs = cross_entropy(logits, targets)
    >>> dlogits = cross_entropy_backward(probs, targets)
    >>> _, dwte_at_end = linear_backward(dlogits, x, model.wte)
    >>> dwte = backward(model, inputs, dlogits, (traces, x)).wte
    >>> [token for token in range(5) if dwte[token] != dwte_at_end[token]]
    [0, 2, 3]
    """
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
    dwpe = [[0.0] * len(row) for row in model.wpe]
    for t, token in enumerate(tokens):  # x[t] was wte[token] + wpe[t]
        dwte[token] = add(dwte[token], dx[t])
        dwpe[t] = dx[t]
    return Model(model.n_head, dwte, dwpe, dlayers)


# %%
def loss_and_gradient(model, tokens):
    """Forward and backward for one name: T+1 ids -> loss (a number), dmodel (a Model).

    Is the gradient right? Take a small model with random numbers everywhere, nudge every parameter,
    and see whether the loss changes as its slope says:

    >>> rng, tokens, errors = Xoshiro(seed=7), [0, 4, 5, 5, 2, 1], []
    >>> model = init_model(Settings(n_embd=4, n_head=2, n_layer=2, block_size=6), 6, rng)
    >>> for w in matrices(model):
    ...     w[:] = random_matrix(rng, len(w), len(w[0]), sigma=0.5)
    >>> loss, dmodel = loss_and_gradient(model, tokens)
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
# Each parameter now has a slope, g, and should move against it. How far? The slopes are noisy, as
# each comes from one name, and of very different sizes. Adam (Kingma and Ba 2015, Algorithm 1)
# keeps two averages for each parameter, of g and of g², and steps by
#
#     lr · average(g) / (√average(g²) + 1e-8)
#
# If all g are equal, the quotient is g / √g² = ±1, and the step lr long, however large or small
# they are. If they keep changing sign, they cancel in the average of g but not in that of g², and
# the step is shorter. The 1e-8 prevents 0 / 0, and matters only for slopes about that small.
#
# Both averages forget: the newest g has weight 1, the one before it β, the one before that β², and
# so on, with β a little below 1. (β is beta1 for g, and beta2 for g².) The weighted total is easy
# to keep up to date: multiply it by β and add the new g. Divided by n, the sum of the weights, it
# is the average:
#
#     total = β · total + g
#     n     = 1 + β + β² + … + β^step = (1 - β^(step+1)) / (1 - β)
#
# (Multiply n by 1 - β, and all terms but two cancel. The paper always divides by 1 / (1 - β), the n
# of many steps. For g that is 10, though the first n is 1; so its first average is ten times too
# small, and a "bias correction" repairs that. The result is the same.)
#
# The learning rate lr falls in a straight line to 0, so that the parameters settle and do not jump
# about for ever with the noise of single names.


# %%
class Adam:
    """The two totals for each parameter of a model, and the update that uses them.

    A run of two steps, for a slope of 3 and then 0 in wte; in the second, lr is down to one half.
    In wpe, the slope is as small as the 1e-8, which halves the first step.

    >>> model = Model(1, wte=[[1.0]], wpe=[[1.0]], layers=[])
    >>> adam = Adam(model, Settings(steps=2))
    >>> adam.update(model, Model(1, wte=[[3.0]], wpe=[[1e-8]], layers=[]), step=0)
    >>> round(model.wpe[0][0], 6)  # 1 - 0.01 · 1e-8 / (1e-8 + 1e-8)
    0.995
    >>> adam.update(model, Model(1, wte=[[0.0]], wpe=[[0.0]], layers=[]), step=1)
    >>> round(model.wte[0][0], 6)  # 1 - 0.01 · 3 / √9 - 0.005 · (2.7 / 1.9) / √(8.55 / 1.95)
    0.986607
    """

    def __init__(self, model, settings):
        self.settings = settings
        self.totals = [[[0.0] * len(row) for row in w] for w in matrices(model)]
        self.squares = [[[0.0] * len(row) for row in w] for w in matrices(model)]

    def update(self, model, dmodel, step):
        """Change every parameter in place, by one step; step is 0, 1, 2, …"""
        beta1, beta2 = self.settings.beta1, self.settings.beta2
        n1 = (1 - beta1 ** (step + 1)) / (1 - beta1)
        n2 = (1 - beta2 ** (step + 1)) / (1 - beta2)
        lr = self.settings.lr * max(0, 1 - step / self.settings.steps)  # never below 0
        rate = lr / n1  # so rate · total is lr · average
        for group in zip(matrices(model), matrices(dmodel), self.totals, self.squares):
            for row, drow, total, square in zip(*group):
                for j, g in enumerate(drow):
                    total[j] = total_j = beta1 * total[j] + g
                    square[j] = square_j = beta2 * square[j] + g * g
                    row[j] -= rate * total_j / (sqrt(square_j / n2) + 1e-8)


# %% [markdown]
# ## 9. Sampling
# To invent a name, start with BOS, draw a token from the model's probabilities, put it in as the
# next input, and go on until EOS is drawn or all positions are taken. (Many programs first divide
# the logits by a temperature. Below 1 the likeliest token becomes likelier still, above 1 the
# others get a better chance. Here it is 1.)


# %%
def generate(model, rng):
    """A sample from the model: a list of at most block_size ids, without the EOS.

    About one sample in a hundred has a BOS in it. BOS is never a target, so its logit is lowered.
    But its row of wte is also an input, and training it as an input can raise the logit again.
    """
    cache = new_cache(model)
    token, sample = BOS, []
    for _ in range(len(model.wpe)):  # block_size times
        logits, _ = forward(model, [token], cache)
        token = rng.choice(softmax(logits[0]))
        if token == EOS:
            break
        sample.append(token)
    return sample


# %% [markdown]
# ## 10. Training
# One name after another, in the order of the list, 5,000 steps: each of the 92 comes about 54
# times. (A list that is in alphabetical order should be shuffled first.)


# %%
def train(model, documents, vocabulary, rng, settings):
    """Train the model in place. Print the loss and five samples every 500 steps and at the end.

    The loss is that of one name, before the update; the samples come after it. The loss jumps
    about, because some names are harder to guess than others. Raises FloatingPointError if it is no
    longer finite.

    >>> vocabulary, rng = Vocabulary(NAMES), Xoshiro(seed=42)
    >>> model = init_model(Settings(), len(vocabulary.tokens), rng)
    >>> train(model, NAMES, vocabulary, rng, Settings(steps=1))  # doctest: +ELLIPSIS
    microgpt  vocab=27  params=3632  layers=1  embd=16  heads=4
    Training 1 steps on 92 names
    <BLANKLINE>
    step     0  loss=3.2943  t=...s  | sample 0: m<BOS>kv<BOS>tpl  sample 1: kygocwfv  sample ...
    Done in ...s
    """
    start = time.perf_counter()
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
            samples = (vocabulary.decode(generate(model, rng)) for _ in range(5))
            shown = "  ".join(f"sample {i}: {sample}" for i, sample in enumerate(samples))
            seconds = time.perf_counter() - start
            print(f"step {step:5d}  loss={loss:.4f}  t={seconds:.2f}s  | {shown}")
    print(f"Done in {time.perf_counter() - start:.3f}s")


# %% [markdown]
# How low can the loss go? Not to 0, because nothing says which name will come. A model that knew
# the list by heart would give each name a probability of 1/92. The surprises of its tokens would
# add up to ln 92 = 4.52; spread over T = 4 to 8 predictions, that is 0.81 on average. After 5,000
# steps the mean loss is about 0.89, varying with the seed, and 7 in 10 samples are names that were
# taught.
#
# So by the end the model has learned the list, and little of what names are like. Names kept out of
# training show it: at first they surprise the model less and less, then more and more. That is
# overfitting, from seeing too few names too often. On 32,000 names in random order, the same
# program predicts unseen names no worse than those that it was taught. The README measures both.
#
# What do the GPTs that you can chat with have that this one lacks? Tokens that are pieces of words.
# Many layers, and billions of parameters. A norm before the logits, and in all norms a learned
# factor for each number. Batches of many texts per step, a learning rate that first rises
# (warm-up), limits on parameters (weight decay) and gradients (clipping). And, last, training on
# conversations. The outline is the one on the first screen.

# %% [markdown]
# ## 11. The run
# You can stop here. What remains is not about GPTs: files, flags and errors. The last cell runs it
# all. A notebook's next cell can use what it defines, for example
# `vocabulary.decode(generate(model, rng))`.

# %%
import argparse
import re
import sys
from dataclasses import fields
from pathlib import Path

FILE = globals().get("__file__")  # this file; None in a notebook


def read_documents(data=""):
    """The lines of a UTF-8 text file that are not blank, without the spaces around them.

    By default names.txt, beside this file or in a notebook's folder; if it is missing, NAMES.
    Raises OSError if the file can't be read, ValueError if it is not UTF-8 text or has no names.
    """
    path = Path(data or Path(FILE or "microgpt.py").resolve().with_name("names.txt"))
    if not data and not path.exists():
        return NAMES
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        words = f"cannot read '{path}': {error.strerror}; give another file with --data"
        raise type(error)(words) from None
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start].decode("utf-8") + ".").splitlines())
        raise ValueError(f"'{path}', line {line}: not UTF-8; save it as UTF-8 text") from None
    if "\0" in text:
        raise ValueError(f"'{path}' has NUL characters in it; save it as UTF-8 text")
    text = text.replace("\ufeff", "")  # byte-order marks
    lines = [line.strip() for line in text.splitlines()]
    if not any(lines):
        raise ValueError(f"'{path}' has no names in it; write one name per line")
    return [line for line in lines if line]


# %%
def stop(status, message):
    """Print the message, if there is one, in one line on standard error, and exit."""
    if message and sys.stderr:
        print("microgpt:", *message.splitlines(), file=sys.stderr)
    sys.exit(status)


def parse(arguments):
    """Command-line arguments -> Settings. The comments in Settings are the help for its flags."""
    parser = argparse.ArgumentParser(
        description="Train a small GPT on a list of names and print what it invents.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    parser.error = lambda message: stop(2, f"{message}; --help shows every flag")
    comments = re.findall(r"^    (\w+): \w+ = .*  # (.+)$", Path(FILE).read_text("utf-8"), re.M)
    for field, (name, comment) in zip(fields(Settings), comments):
        default = field.default or argparse.SUPPRESS  # no "(default: )" for data
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=field.type, default=default, help=comment)
    return Settings(**vars(parser.parse_args(arguments)))


# %%
if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):  # each line at once, ? for what can't be shown
        sys.stdout.reconfigure(line_buffering=True, errors="replace")
    status, problem = 2, None
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
    except KeyboardInterrupt:
        status, problem = 130, "stopped"
    except MemoryError:
        status, problem = 1, "out of memory; try smaller sizes or less data"
    except (ValueError, OSError, ArithmeticError) as error:
        problem = "" if isinstance(error, BrokenPipeError) else str(error)
        if isinstance(error, OSError) and status == 1:
            sys.stdout = None  # it can't be written to: Python must not try again at the end
    if problem is not None:  # only here, after the failed run's memory is freed
        stop(status, problem)
