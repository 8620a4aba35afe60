# %% [markdown]
# # microgpt: how a GPT learns, in one file
#
# A GPT reads the tokens so far (here: letters) and gives each token a probability of coming next.
# This file builds one, trains it on 92 names, and lets it spell names of its own. It needs nothing
# but Python, and every gradient in it is derived by hand.
#
#     python microgpt.py            train it: half a minute or less
#     python microgpt.py --help     what can be changed
#
# Before training the model spells noise; 5,000 steps later it spells names:
#
#     step     0  loss=3.2943  …  sample 0: m<BOS>kv<BOS>tpl  sample 1: kygocwfv  …
#     step  4999  loss=0.9327  …  sample 0: elijah  sample 1: joee  sample 2: thomas  …
#
# The model. It holds 3,632 numbers, its parameters: `wte`, `wpe`, and those in the two middle lines.
#
#     x      = wte[token] + wpe[position]          which letter, and where it stands
#     x      = x + attention(rmsnorm(x))           gather from the positions so far
#     x      = x + feed_forward(rmsnorm(x))        work on what was gathered
#     logits = linear(x, wte)                      a score for every letter
#     probs  = softmax(logits)                     scores become probabilities
#
# The training, one name after another:
#
#     logits, trace = forward(model, inputs, new_cache(model))       predict each next letter
#     loss, probs = cross_entropy(logits, targets)                   how wrong was that?
#     dlogits = cross_entropy_backward(probs, targets)               which way is worse,
#     dmodel = backward(model, inputs, dlogits, trace)               for every parameter?
#     adam.update(model, dmodel, step)                               so step the other way
#
# The rest of the file explains these ten lines, from top to bottom, and the name "emma" goes with
# us all the way. You need to know Python and, from school, what a slope is.

# %% [markdown]
# ## Notation
# To look things up, not to learn by heart.
#
#     T, S       the number of positions: those that come in now, and all so far
#     C          the length of the vector at each position (n_embd)
#     H, D       the number of attention heads, and the length of one head's vectors: H · D = C
#     V          the number of tokens in the vocabulary
#     m, n       any two sizes, where a function does not care
#     t; i, j    a position; indices into vectors and matrices, such as x[t][i]
#     dx         the gradient of the loss with respect to x, in the shape of x
#     [T, C]     a matrix of T rows of C numbers: a list of T lists
#     ln         the natural logarithm, `log` in Python

# %% [markdown]
# ## 1. Names become numbers
# A model computes with numbers, so each different character gets one, its id. Two more tokens mark
# the ends: `<BOS>` says "a name begins", `<EOS>` says "it ends". (One token could do both jobs, as it
# does in some GPTs. Two are easier to tell apart in what follows.) The 92 names use 25 different
# letters, every one but q, so V is 27.
#
# The model's task is to predict every next token. "emma" asks T = 5 questions:
#
#     input     <BOS>   e       m       m       a
#     target    e       m       m       a       <EOS>
#
# In training the real letters always go in, however wrong the predictions were. That is called
# teacher forcing. It makes the five questions independent, so all can be asked at once.

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
    >>> vocabulary.tokens[:6], len(vocabulary.tokens)
    (['<BOS>', '<EOS>', 'a', 'b', 'c', 'd'], 27)
    >>> vocabulary.decode([6, 14, 14, 2])
    'emma'
    """

    def __init__(self, documents):
        self.tokens = ["<BOS>", "<EOS>"] + sorted(set("".join(documents)))
        self.ids = {token: i for i, token in enumerate(self.tokens)}

    def decode(self, ids):
        """The text of a list of ids."""
        return "".join(self.tokens[i] for i in ids)

    def sequence(self, document, block_size):
        """The ids of BOS, the document and EOS, cut to block_size inputs and their targets.

        A name of block_size letters or more loses its EOS: the model never learns that it ends.

        >>> Vocabulary(NAMES).sequence("emma", block_size=8)
        [0, 6, 14, 14, 2, 1]
        >>> Vocabulary(NAMES).sequence("emma", block_size=3)
        [0, 6, 14, 14]
        """
        ids = [self.ids[character] for character in document[:block_size]]
        return [BOS, *ids, EOS][: block_size + 1]


# %% [markdown]
# ## 2. Learning by slopes
# The loss measures how wrong the model is on one name. To learn is to change the parameters so that
# the loss falls. For that we need the slope of the loss in each parameter: how much the loss changes
# for a tiny change of that parameter. All slopes together are the gradient. A small step against it
# lowers the loss.
#
# The slopes come from the chain rule. If w acts on y, and y acts on the loss, the two slopes
# multiply. If w acts on the loss along several paths, the slopes of the paths add up. Here is a
# model of two parameters, small enough for paper. Its w acts twice:
#
#     y = w · b                w = 3, b = 2:  y = 6
#     z = y + w                               z = 9
#     loss = (z - 8)²                         loss = 1
#
# The backward pass goes through the lines in reverse. With dy for the slope of the loss in y:
#
#     dz = 2 (z - 8)           = 2
#     dy = dz                  = 2            z = y + …, with slope 1
#     db = dy · w              = 6
#     dw = dz + dy · b         = 6            directly into z, and through y
#
# So if w grows by 0.001, the loss should grow by about 0.006. And a step against both slopes, here
# 0.01 times as long as they are, should lower the loss. The example below tries both.


# %%
def two_parameters(w, b):
    """The loss of the model above, and its slopes: numbers w, b -> loss, dw, db.

    >>> loss, dw, db = two_parameters(3.0, 2.0)
    >>> loss, dw, db
    (1.0, 6.0, 6.0)
    >>> nudged, _, _ = two_parameters(3.001, 2.0)
    >>> round((nudged - loss) / 0.001, 2)
    6.01
    >>> lower, _, _ = two_parameters(3.0 - 0.01 * dw, 2.0 - 0.01 * db)
    >>> round(lower, 2)
    0.41
    """
    y = w * b
    z = y + w
    loss = (z - 8) ** 2
    dz = 2 * (z - 8)
    dy = dz
    db = dy * w
    dw = dz + dy * b
    return loss, dw, db


# %% [markdown]
# Why not nudge every parameter, and save the mathematics? One nudge costs one forward pass and
# gives one slope. The backward pass costs about two forward passes and gives all slopes, be it two,
# 3,632 or billions. It is called backpropagation, and it is why large models can be trained at all.
#
# What we really want to be small is the mean loss over all 92 names. Its gradient would take all 92
# at every step. We take one name at a time: its gradient is a noisy estimate of the whole one, at
# one 92nd of the price. This is stochastic gradient descent. Two things in section 8 are there to
# tame the noise: averages over recent gradients, and steps that become smaller.

# %% [markdown]
# ## 3. Operations
# All that the model does is done by seven operations. Each has its backward right below it. The
# backward of y = f(x) is given dy, worked out by what came after f, and returns dx.
#
# First the products. `linear` compares: y[t][i] is the dot product of position t's vector with row i
# of w. For vectors of like size, it is large if they point the same way, and about 0 if they have
# nothing in common. `mix` blends: y[t] is a sum of rows, each with its weight. Each of the two turns
# out to be the backward of the other.

# %%
try:
    from math import sumprod as dot  # from Python 3.12 on, the same in compiled code
except ImportError:

    def dot(a, b):
        """Σ_i a[i] b[i]: two vectors [n] -> a number. Raises ValueError if their lengths differ."""
        if len(a) != len(b):
            raise ValueError("a dot product needs two vectors of the same length")
        return sum(map(mul, a, b))


def add(a, b):
    """a[i] + b[i]: two vectors [n] -> [n]. Both slopes are 1, so da and db are dy itself."""
    return [a_i + b_i for a_i, b_i in zip(a, b)]


def transpose(rows):
    """Rows become columns: [m, n] -> [n, m].

    >>> transpose([[1, 2, 3], [4, 5, 6]])
    [(1, 4), (2, 5), (3, 6)]
    """
    return list(zip(*rows))


def linear(x, w):
    """y[t][i] = Σ_j w[i][j] x[t][j]: x [T, n], w [m, n] -> y [T, m].

    >>> linear([[10.0, 1.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    [[12.0, 34.0, 56.0]]
    """
    return [[dot(x_t, row) for row in w] for x_t in x]


def mix(weights, rows):
    """y[t] = Σ_i weights[t][i] rows[i]: weights [T, m], rows [m, n] -> y [T, n].

    A row of weight 0 adds nothing and is skipped. In sections 4 and 5 many weights will be 0.

    >>> mix([[10.0, 0.0, 1.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    [[15.0, 26.0]]
    """
    y = []
    for weights_t in weights:
        y_t = []
        for weight, row in zip(weights_t, rows):
            if weight:
                y_t = [a + weight * b for a, b in zip(y_t, row)] if y_t else [weight * b for b in row]
        y.append(y_t or [0.0] * len(rows[0]))
    return y


# %%
def linear_backward(dy, x, w):
    """Backward of linear: dy [T, m], x [T, n], w [m, n] -> dx [T, n], dw [m, n].

    In y[t][i] = Σ_j w[i][j] x[t][j], x[t][j] acts on y[t][i] for every i, with slope w[i][j], and
    w[i][j] acts on y[t][i] for every t, with slope x[t][j]. Slopes multiply, paths add up:

        dx[t][j] = Σ_i dy[t][i] w[i][j]      dx = mix(dy, w)
        dw[i][j] = Σ_t dy[t][i] x[t][j]      dw = mix(transpose(dy), x)

    Where there are no zeros to skip, mix(a, b) is faster as dot products: linear(a, transpose(b)).

    >>> linear_backward([[1.0, 10.0]], x=[[5.0, 6.0]], w=[[1.0, 2.0], [3.0, 4.0]])
    ([[31.0, 42.0]], [[5.0, 6.0], [50.0, 60.0]])
    """
    return linear(dy, transpose(w)), linear(transpose(dy), transpose(x))


def mix_backward(dy, weights, rows):
    """Backward of mix: dy [T, n], weights [T, m], rows [m, n] -> dweights [T, m], drows [m, n].

    In y[t][j] = Σ_i weights[t][i] rows[i][j], the factors trade places:

        dweights[t][i] = Σ_j dy[t][j] rows[i][j]      dweights = linear(dy, rows)
        drows[i][j] = Σ_t weights[t][i] dy[t][j]      drows = mix(transpose(weights), dy)

    What mix skips is skipped here too: a weight of 0 gets a slope of 0. In this model such a weight
    is switched off, and what switches it off has slope 0 in any case.

    >>> mix_backward([[5.0, 6.0]], weights=[[1.0, 10.0]], rows=[[1.0, 2.0], [3.0, 4.0]])
    ([[17.0, 39.0]], [[5.0, 6.0], [50.0, 60.0]])
    """
    dweights = [
        [weight and dot(dy_t, row) for weight, row in zip(weights_t, rows)]
        for dy_t, weights_t in zip(dy, weights)
    ]
    return dweights, mix(transpose(weights), dy)


# %% [markdown]
# Next, `softmax` and the loss. softmax turns any scores into probabilities: positive numbers that
# add up to 1. The loss of one prediction is its surprise, -ln p(target). It is 0 if the model was
# sure of the right token, and grows without limit as the model gives that token less. For a model
# that knows nothing and holds all 27 tokens to be equally likely, it is ln 27 = 3.30.
#
# Why a logarithm? The probability of a whole name is the product of its tokens' probabilities, and
# ln turns the product into a sum. The loss of a name is the mean over its T predictions.


# %%
def softmax(x):
    """y[i] = e^x[i] / Σ_j e^x[j]: any numbers [n] -> probabilities [n].

    The largest x is first subtracted from all, so that e^x can't overflow. It cancels out.

    >>> softmax([0.0, log(3)]), softmax([1000.0, 1000.0])
    ([0.25, 0.75], [0.5, 0.5])
    """
    top = max(x)
    exps = [exp(x_i - top) for x_i in x]
    total = sum(exps)
    return [e / total for e in exps]


def softmax_backward(dy, y):
    """Backward of softmax, from its output: dy [n], y [n] -> dx [n].

    y[i] = e^x[i] / S with S = Σ_j e^x[j]. By the quotient rule, the slope of y[i] in x[j] is

        (e^x[i] S - e^x[i] e^x[i]) / S² = y[i] - y[i] y[i]      if i = j
        (0 - e^x[i] e^x[j]) / S²        = - y[i] y[j]           if not

    Multiplied by dy[i] and added up over i:  dx[j] = y[j] (dy[j] - Σ_i dy[i] y[i])

    >>> softmax_backward([1.0, 0.0], [0.25, 0.75])
    [0.1875, -0.1875]
    """
    average = dot(dy, y)  # of the dy[i], each with weight y[i]
    return [y_i * (dy_i - average) for dy_i, y_i in zip(dy, y)]


def cross_entropy(logits, targets):
    """The mean of -ln p(target): logits [T, V], T ids -> loss (a number), probs [T, V].

    p(target) can round to 0, which has no logarithm; p of the likeliest token can't. And as
    p(target) / p(likeliest) = e^(its logit - the largest logit), one gives the other.

    >>> loss, probs = cross_entropy([[0.0, log(3)]], targets=[0])
    >>> round(exp(-loss), 10), probs
    (0.25, [[0.25, 0.75]])
    """
    probs = list(map(softmax, logits))
    losses = [max(l) - l[target] - log(max(p)) for l, p, target in zip(logits, probs, targets)]
    return sum(losses) / len(losses), probs


def cross_entropy_backward(probs, targets):
    """Backward of cross_entropy: probs [T, V], T ids -> dlogits [T, V].

    For one position, loss = -ln(e^logits[target] / S) = ln S - logits[target]. The slope of ln S in
    logits[i] is e^logits[i] / S = probs[i], and the mean divides by T:

        dlogits[t][i] = (probs[t][i] - 1) / T  at the target,  probs[t][i] / T  elsewhere

    That is probs minus the one-hot vector of the target: 1 in its place and 0 in all others.

    >>> cross_entropy_backward([[0.25, 0.75]], targets=[0])
    [[-0.75, 0.75]]
    """
    dlogits = [[p / len(targets) for p in probs_t] for probs_t in probs]
    for dlogits_t, target in zip(dlogits, targets):
        dlogits_t[target] -= 1 / len(targets)
    return dlogits


# %% [markdown]
# Last, two operations on single vectors. `rmsnorm` gives a vector a standard size: its direction
# stays, and its mean square becomes 1. Vectors grow and shrink during training. With rmsnorm
# before them, attention and feed-forward always get numbers of the size they are used to.
# `squared_relu` sets negative numbers to 0 and squares the rest.


# %%
def rmsnorm(x):
    """y = r x with r = 1 / √(mean(x²) + 1e-5): [n] -> [n] (Zhang and Sennrich 2019, equation 4).

    The 1e-5 prevents a division by 0.

    >>> [round(y_i, 3) for y_i in rmsnorm([3.0, -4.0])]
    [0.849, -1.131]
    """
    r = 1 / sqrt(dot(x, x) / len(x) + 1e-5)
    return [r * x_i for x_i in x]


def rmsnorm_backward(dy, x):
    """Backward of rmsnorm: dy [n], x [n] -> dx [n].

    r = u^(-1/2) with u = Σ_i x[i]² / n + 1e-5, so the slope of r in x[j] is
    -1/2 u^(-3/2) · 2 x[j] / n = -r³ x[j] / n. x[j] acts on y[j] = r x[j] directly, with slope r,
    and through r on every y[i], with slope x[i] each:

        dx[j] = r dy[j] - (r³ / n) (Σ_i dy[i] x[i]) x[j]

    >>> [round(dx_i, 3) for dx_i in rmsnorm_backward([1.0, 0.0], [2.0, 2.0])]
    [0.25, -0.25]
    """
    r = 1 / sqrt(dot(x, x) / len(x) + 1e-5)
    through_r = r**3 / len(x) * dot(dy, x)
    return [r * dy_i - through_r * x_i for dy_i, x_i in zip(dy, x)]


def squared_relu(x):
    """y[i] = x[i]² if x[i] > 0, else 0: [n] -> [n] (So et al. 2021).

    >>> squared_relu([3.0, -3.0])
    [9.0, 0.0]
    """
    return [0.0 if x_i <= 0 else x_i * x_i for x_i in x]


def squared_relu_backward(dy, x):
    """Backward of squared_relu: dy [n], x [n] -> dx [n]. The slope is 2 x[i] if x[i] > 0, else 0.

    >>> squared_relu_backward([10.0, 10.0], [3.0, -3.0])
    [60.0, 0.0]
    """
    return [0.0 if x_i <= 0 else 2 * x_i * dy_i for dy_i, x_i in zip(dy, x)]


# %% [markdown]
# ## 4. Attention
# Inside the model each position has a vector x of C = 16 numbers. It begins as the letter and its
# place; for "emma" that makes [5, 16]. To predict the letter after "emm", the vector of the second m
# has to learn of what came before it. Attention is how: each position gathers from itself and from
# those before it.
#
# Each vector is made into three, by three matrices: a query, a key and a value. One can think of the
# query as what a position looks for, of the key as what it can be found by, and of the value as what
# it hands over. (Nothing forces them to be that. They become what lowers the loss.) The dot product
# of a query with a key is a score, softmax makes the scores into weights, and the position
# receives the sum of all values, each with its weight.
#
# A position must not see later ones, or it could read its own answer. This is the causal mask:
# position t computes scores up to t only, and its weights for later ones are 0. In generation,
# it means that keys and values never change once they are computed. They are kept in a cache,
# and a new letter costs one position's work.
#
# All this is done by H = 4 heads at once, each with D = 4 of the 16 numbers of each query, key and
# value. So a position can gather in four ways: [5, 16] becomes 4 times [5, 4], with weights of
# [5, 5] for each head. What the heads have gathered is joined to [5, 16] again, and one more
# matrix, `wo`, turns it into what is added to x.


# %%
def split_heads(x, n_head):
    """Each vector cut into one piece a head: [T, C] -> [H, T, D]. Backward is join_heads.

    >>> split_heads([[1, 2, 3, 4], [5, 6, 7, 8]], n_head=2)
    [[[1, 2], [5, 6]], [[3, 4], [7, 8]]]
    """
    size = len(x[0]) // n_head
    return [[x_t[i : i + size] for x_t in x] for i in range(0, len(x[0]), size)]


def join_heads(heads):
    """Each vector put together again: [H, T, D] -> [T, C]. Backward is split_heads.

    >>> join_heads([[[1, 2], [5, 6]], [[3, 4], [7, 8]]])
    [[1, 2, 3, 4], [5, 6, 7, 8]]
    """
    return [sum(pieces, []) for pieces in zip(*heads)]


def attend(q, keys, values):
    """One head (Vaswani et al. 2017, equation 1).

    q [T, D], keys and values [S, D] -> out [T, D], weights [T, S]. The last T positions ask.

    The scores are divided by √D. If the numbers in q and k are independent, with mean 0 and variance
    1, then q · k is a sum of D products of variance 1: its variance is D, its typical size √D. With
    a large D, scores of that size would give nearly all the weight to one position, where the slopes
    of softmax are almost 0 and nothing is learned.

    >>> attend([[2.0], [2.0]], keys=[[1.0], [1.0]], values=[[10.0], [20.0]])
    ([[10.0], [15.0]], [[1.0, 0.0], [0.5, 0.5]])
    """
    scale = 1 / sqrt(len(q[0]))
    weights = []
    for t, q_t in enumerate(q, start=len(keys) - len(q)):
        scores = [scale * dot(q_t, key) for key in keys[: t + 1]]
        weights.append(softmax(scores) + [0.0] * (len(keys) - t - 1))  # the causal mask
    return mix(weights, values), weights


def attend_backward(dout, q, keys, values, weights):
    """Backward of attend, with T = S: dout [T, D] -> dq, dkeys, dvalues, each [T, D].

    A weight of 0 has dscore = 0 by softmax_backward, so the mask needs no further thought.
    """
    scale = 1 / sqrt(len(q[0]))
    dweights, dvalues = mix_backward(dout, weights, values)
    dscores = [[scale * d for d in row] for row in map(softmax_backward, dweights, weights)]
    dq, dkeys = linear_backward(dscores, q, keys)
    return dq, dkeys, dvalues


# %%
def attention(x, layer, n_head, cache):
    """y = x + wo · (all heads on rmsnorm(x)): x [T, C] -> y [T, C], trace. Appends to the cache.

    The trace is what backward needs to know: the slope of a product in one factor is the other
    factor, so it has to be kept. Adding to x, not replacing it, is called a residual connection:
    attention has to find only what to change, and gradients have a straight way back.
    """
    keys, values = cache
    normed = list(map(rmsnorm, x))
    q = linear(normed, layer.wq)  # [T, C]
    keys.extend(linear(normed, layer.wk))  # [S, C]
    values.extend(linear(normed, layer.wv))  # [S, C]
    heads = [split_heads(vectors, n_head) for vectors in (q, keys, values)]  # [H, T or S, D]
    outs, weights = zip(*map(attend, *heads))  # attend, for each head: [H, T, D], [H, T, S]
    out = join_heads(outs)  # [T, C]
    y = list(map(add, x, linear(out, layer.wo)))
    return y, (x, normed, heads, weights, out)


def attention_backward(dy, layer, trace):
    """Backward of attention, from an empty cache: dy [T, C] -> dx [T, C], dwq, dwk, dwv, dwo."""
    x, normed, heads, weights, out = trace
    dout, dwo = linear_backward(dy, out, layer.wo)
    douts = split_heads(dout, len(weights))
    dheads = zip(*map(attend_backward, douts, *heads, weights))
    dq, dk, dv = map(join_heads, dheads)  # [T, C] each
    dnormed_q, dwq = linear_backward(dq, normed, layer.wq)
    dnormed_k, dwk = linear_backward(dk, normed, layer.wk)
    dnormed_v, dwv = linear_backward(dv, normed, layer.wv)
    dnormed = map(add, dnormed_q, map(add, dnormed_k, dnormed_v))
    dx = list(map(add, dy, map(rmsnorm_backward, dnormed, x)))
    return dx, dwq, dwk, dwv, dwo


# %% [markdown]
# ## 5. Feed-forward
# After gathering, each position works on what it has, by itself. There are 4C = 64 hidden units. Each
# compares x with its own row of `fc1`. The better the match, the more of its row of `fc2` it adds
# to x; a match of 0 or less counts as none. One can think of a unit as a rule: if the vector looks
# like this, add that.
#
# The bend at 0 is what makes it worth while: without one, two matrices could do no more than one.
# Why squared? It learns somewhat better in large models (that is the finding of So et al.). In the
# trained model about two of three units are at 0, on average. A unit at 0 adds nothing and has
# slope 0, so both directions skip it: that is what `mix` is for. To be skipped, a unit must be a
# row, so `fc2` is stored with one row a unit, as `fc1` is: [64, 16].


# %%
def feed_forward(x, layer):
    """y = x + Σ_i hidden[i] fc2[i], hidden = squared_relu(fc1 · rmsnorm(x)): x [T, C] -> y, trace."""
    normed = list(map(rmsnorm, x))
    matches = linear(normed, layer.fc1)  # [T, C] -> [T, 4C]
    hidden = list(map(squared_relu, matches))
    y = list(map(add, x, mix(hidden, layer.fc2)))  # [T, 4C] -> [T, C]
    return y, (x, normed, matches, hidden)


def feed_forward_backward(dy, layer, trace):
    """Backward of feed_forward: dy [T, C] -> dx [T, C], dfc1, dfc2 [4C, C]."""
    x, normed, matches, hidden = trace
    dhidden, dfc2 = mix_backward(dy, hidden, layer.fc2)
    dmatches = list(map(squared_relu_backward, dhidden, matches))
    # The backward of linear, by mix, because most of dmatches is 0:
    dnormed, dfc1 = mix(dmatches, layer.fc1), mix(transpose(dmatches), normed)
    dx = list(map(add, dy, map(rmsnorm_backward, dnormed, x)))
    return dx, dfc1, dfc2


# %% [markdown]
# ## 6. The model
# Now the parts come together, and they need their sizes. Nothing else in the file knows that C is 16
# or that there is one layer.


# %%
@dataclass(frozen=True)
class Settings:
    """Everything that can be changed without changing code."""

    n_embd: int = 16  # length of the vectors inside the model, a multiple of n_head
    n_head: int = 4  # attention heads
    n_layer: int = 1  # layers, each of them attention and feed-forward
    block_size: int = 8  # most tokens that can go in, and longest sample
    steps: int = 5000  # training steps, one name each
    lr: float = 0.01  # learning rate, the size of the first steps
    beta1: float = 0.9  # how slowly Adam forgets gradients
    beta2: float = 0.95  # how slowly Adam forgets squared gradients
    seed: int = 42  # where the random numbers start, from 0 to 2**64 - 1
    data: str = ""  # text file with one name a line (default: names.txt beside this program)

    def __post_init__(self):
        """Raise ValueError for a value that makes no sense."""
        sizes = ("n_embd", "n_head", "n_layer", "block_size", "steps")
        rules = [(name, getattr(self, name) >= 1, "1 or more") for name in sizes] + [
            ("n_embd", self.n_embd % max(self.n_head, 1) == 0, f"a multiple of n_head={self.n_head}"),
            ("lr", 0 < self.lr < inf, "positive and finite"),
            ("beta1", 0 <= self.beta1 < 1, "0 or more and below 1"),
            ("beta2", 0 <= self.beta2 < 1, "0 or more and below 1"),
            ("seed", 0 <= self.seed < 2**64, "from 0 to 2**64 - 1"),
        ]
        for name, holds, rule in rules:
            if not holds:
                raise ValueError(f"{name} must be {rule}, not {getattr(self, name)}")


# %% [markdown]
# Chance enters twice: in the parameters' first values, and when a sample is drawn. Python's own
# `random` would do. This generator is short enough to read, and easy to write in any language, so
# that other programs can check this one digit by digit.


# %%
class Xoshiro:
    """The random generator xoshiro128+ (Blackman and Vigna 2021), seeded with 64 bits.

    Its state is four 32-bit words, stirred by shifts, a rotation and exclusive or (^). `& MASK`
    keeps the low 32 bits. The seeding is simple: nearby seeds start with nearly the same numbers.

    >>> rng = Xoshiro(seed=0)
    >>> rng.state = [1, 2, 3, 4]
    >>> [rng.draw() for _ in range(6)]
    [5, 12295, 25178119, 27286542, 39879690, 1140358681]
    """

    MASK = 2**32 - 1

    def __init__(self, seed):
        low, high = seed & self.MASK, seed >> 32 & self.MASK
        words = low ^ 0xDEADBEEF, high ^ 0xCAFEBABE, low + 1, high + 1
        self.state = [word & self.MASK for word in words]

    def draw(self):
        """A whole number from 0 to 2**32 - 1, all as good as equally likely."""
        s0, s1, s2, s3 = self.state
        result = s0 + s3 & self.MASK
        shifted = s1 << 9 & self.MASK
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = (s3 << 11 | s3 >> 21) & self.MASK
        self.state = [s0, s1, s2, s3]
        return result

    def normal(self, sigma):
        """A number from the bell curve with mean 0 and standard deviation sigma.

        Box and Muller (1958): two draws, scaled to numbers from 0 to 1, give a random point, and
        this is how far right it lies. The +1 keeps u1 above 0, which has no logarithm.
        """
        u1 = (self.draw() + 1) / (2**32 + 1)
        u2 = self.draw() / (2**32 - 1)
        return sigma * sqrt(-2 * log(u1)) * cos(2 * pi * u2)

    def choice(self, weights):
        """A random index into weights [n], as likely as its weight's share of their sum.

        The weights lie end to end like planks, and a dart lands somewhere along them.
        """
        dart = self.draw() / (2**32 - 1) * sum(weights)
        for i, weight in enumerate(weights):
            dart -= weight
            if dart <= 0:
                return i
        return len(weights) - 1  # rounding can carry the dart just past the end


# %% [markdown]
# The parameters start as small random numbers, but for `wo` and `fc2`, which start at 0. So at first
# no layer adds anything to x, and the model is no more than its embeddings. (It is the custom. In
# this small model, a random start was measured to do as well.) Because of these zeros the slopes of
# `wq`, `wk`, `wv` and `fc1` are 0 in the first step. `wo` and `fc2` move at once, and then all do.


# %%
@dataclass
class Layer:
    """The matrices of one layer, also called a transformer block."""

    wq: list  # [C, C] makes the queries
    wk: list  # [C, C] makes the keys
    wv: list  # [C, C] makes the values
    wo: list  # [C, C] makes of what the heads gathered what is added to x
    fc1: list  # [4C, C] what each hidden unit compares x with
    fc2: list  # [4C, C] what each hidden unit adds to x


@dataclass
class Model:
    """All parameters. A gradient is a Model too: dmodel.wte[i][j] is the slope in wte[i][j]."""

    n_head: int
    wte: list  # [V, C] token embeddings, used at both ends
    wpe: list  # [block_size, C] position embeddings
    layers: list  # of Layer


def random_matrix(rng, n_rows, n_cols, sigma=0.02):
    """A matrix [n_rows, n_cols] of normal draws with standard deviation sigma."""
    return [[rng.normal(sigma) for _ in range(n_cols)] for _ in range(n_rows)]


def init_model(settings, vocab_size, rng):
    """A Model with its first parameters, drawn from rng in the order in which they stand here."""
    n_embd = settings.n_embd
    wte = random_matrix(rng, vocab_size, n_embd)
    wpe = random_matrix(rng, settings.block_size, n_embd)
    layers = []
    for _ in range(settings.n_layer):
        wq = random_matrix(rng, n_embd, n_embd)
        wk = random_matrix(rng, n_embd, n_embd)
        wv = random_matrix(rng, n_embd, n_embd)
        wo = random_matrix(rng, n_embd, n_embd, sigma=0.0)
        fc1 = random_matrix(rng, 4 * n_embd, n_embd)
        fc2 = random_matrix(rng, 4 * n_embd, n_embd, sigma=0.0)
        layers.append(Layer(wq, wk, wv, wo, fc1, fc2))
    return Model(settings.n_head, wte, wpe, layers)


def matrices(model):
    """All matrices of a model in a list, always in the same order."""
    return [model.wte, model.wpe] + [w for layer in model.layers for w in vars(layer).values()]


# %% [markdown]
# Each token begins as its row of `wte`, its embedding, plus the row of `wpe` for its place. (Without
# the second, one layer of attention could not tell "amy" from "may": a sum does not know the order
# of its terms.) Then x goes through the layers. At the end it is compared with every row of
# `wte`: the better the match, the likelier that token comes next.


# %%
def new_cache(model):
    """For each layer, the keys and the values of all positions so far: none yet."""
    return [([], []) for _ in model.layers]


def forward(model, tokens, cache):
    """T ids, put at the next free positions -> logits [T, V], trace. Appends to the cache.

    In training all inputs of a name come at once, in sampling one at a time. The numbers are
    the same, as they must be if the cache is right:

    >>> rng = Xoshiro(seed=1)
    >>> model = init_model(Settings(n_layer=2), vocab_size=5, rng=rng)
    >>> for w in matrices(model):  # random everywhere, so that everything acts
    ...     w[:] = random_matrix(rng, len(w), len(w[0]), sigma=0.5)
    >>> tokens, cache = [0, 3, 4, 4, 2], new_cache(model)
    >>> at_once, _ = forward(model, tokens, new_cache(model))
    >>> [forward(model, [token], cache)[0][0] for token in tokens] == at_once
    True

    Raises IndexError for an id that is too large, and if there are more than block_size positions.
    (A negative id counts from the end, as in any list.)
    """
    start = len(cache[0][0])  # how many positions the first layer has keys of
    x = [add(model.wte[token], model.wpe[start + t]) for t, token in enumerate(tokens)]  # [T, C]
    traces = []
    for layer, layer_cache in zip(model.layers, cache):
        x, attention_trace = attention(x, layer, model.n_head, layer_cache)
        x, feed_forward_trace = feed_forward(x, layer)
        traces.append((attention_trace, feed_forward_trace))
    return linear(x, model.wte), (traces, x)  # [T, C] -> [T, V]


# %% [markdown]
# ## 7. The way back
# `backward` is `forward` in reverse: from the logits through the layers, last to first, down to the
# embeddings. Each step hands its dx on to the step before it.
#
# One parameter matrix has two uses. `wte` makes the logits, and its rows are the tokens'
# embeddings. So there are two paths, and their slopes add up.
#
# In a framework such as PyTorch you would write only `forward`. It records every operation as it
# runs, and then calls their backwards in reverse, as this file does by hand.


# %%
def backward(model, tokens, dlogits, trace):
    """Backward of forward, from an empty cache: T ids, dlogits [T, V] -> the gradient, a Model.

    The first use of wte gives every token's row a slope: each is a possible answer. The second
    adds to the rows of the tokens that came in, here 0, 2 and 3:

    >>> model, tokens = init_model(Settings(), 5, Xoshiro(1)), [0, 3, 3, 2]
    >>> logits, trace = forward(model, tokens, new_cache(model))
    >>> _, probs = cross_entropy(logits, [3, 3, 2, 1])
    >>> dlogits = cross_entropy_backward(probs, [3, 3, 2, 1])
    >>> _, first_use = linear_backward(dlogits, trace[-1], model.wte)
    >>> dmodel = backward(model, tokens, dlogits, trace)
    >>> [row == first for row, first in zip(dmodel.wte, first_use)]
    [False, True, False, False, True]
    """
    traces, x = trace
    dx, dwte = linear_backward(dlogits, x, model.wte)
    dlayers = []
    for layer, (attention_trace, feed_forward_trace) in zip(model.layers[::-1], traces[::-1]):
        dx, dfc1, dfc2 = feed_forward_backward(dx, layer, feed_forward_trace)
        dx, dwq, dwk, dwv, dwo = attention_backward(dx, layer, attention_trace)
        dlayers.append(Layer(dwq, dwk, dwv, dwo, dfc1, dfc2))
    dwpe = [[0.0] * len(row) for row in model.wpe]
    for t, token in enumerate(tokens):  # x[t] was wte[token] + wpe[t]
        dwte[token] = add(dwte[token], dx[t])
        dwpe[t] = dx[t]
    return Model(model.n_head, dwte, dwpe, dlayers[::-1])


# %%
def loss_and_gradient(model, tokens):
    """One name's loss and its gradient: T+1 ids -> loss (a number), dmodel (a Model).

    Is the gradient right? Nudge every parameter of a small model with random numbers everywhere,
    and see whether the loss changes as its slope says:

    >>> rng, tokens, worst = Xoshiro(seed=7), [0, 4, 5, 5, 2, 1], 0
    >>> model = init_model(Settings(n_embd=4, n_head=2, n_layer=2, block_size=5), 6, rng)
    >>> for w in matrices(model):
    ...     w[:] = random_matrix(rng, len(w), len(w[0]), sigma=0.5)
    >>> loss, dmodel = loss_and_gradient(model, tokens)
    >>> for w, dw in zip(matrices(model), matrices(dmodel)):
    ...     for row, drow in zip(w, dw):
    ...         for j, slope in enumerate(drow):
    ...             row[j] += 1e-7
    ...             nudged, _ = loss_and_gradient(model, tokens)
    ...             row[j] -= 1e-7
    ...             worst = max(worst, abs((nudged - loss) / 1e-7 - slope))
    >>> worst < 1e-5
    True
    """
    inputs, targets = tokens[:-1], tokens[1:]
    logits, trace = forward(model, inputs, new_cache(model))
    loss, probs = cross_entropy(logits, targets)
    dlogits = cross_entropy_backward(probs, targets)
    return loss, backward(model, inputs, dlogits, trace)


# %% [markdown]
# ## 8. Adam
# Each parameter now has a slope, g, and should step against it. How far? The slopes are noisy (each
# comes from one name), and of very different sizes. Adam (Kingma and Ba 2015, Algorithm 1) keeps two
# averages for each parameter, of g and of g², and steps by
#
#     lr · average(g) / (√average(g²) + 1e-8)
#
# If the slopes agree, the fraction is near 1 or -1 and the step near lr, be the slopes large or
# small. If they keep changing sign, they cancel in the first average and not in the second, and the
# step is shorter. The 1e-8 prevents 0 / 0. It counts only where slopes are as small as that.
#
# In these averages the newest g has weight 1, the one before β, then β², and so on, with β a little
# below 1: old names are slowly forgotten. A sum with these weights is easy to keep up to date. It is
# multiplied by β, which makes all old weights smaller, and the new g is added. Divided by n, the sum
# of the weights themselves, it is an average:
#
#     total = β · total + g
#     n     = 1 + β + β² + … + β^step = (1 - β^(step+1)) / (1 - β)
#
# (The closed form: multiply n by 1 - β, and all terms but two cancel. The paper keeps
# (1 - β) · total and divides it by 1 - β^(step+1), which it calls bias correction. It is the same.)
#
# The learning rate lr falls in a straight line to 0. With long steps the parameters would keep
# jumping about with the noise of single names; shorter and shorter steps let them settle.


# %%
class Adam:
    """The two totals for every parameter of one model, and the update that uses them.

    Two steps by hand, for a slope of 3 and then 0. At step 0 both averages are of one slope, so
    the step is 0.01 · 3 / √9. At step 1 they are 0.9 · 3 / 1.9 and 0.95 · 9 / 1.95, and of two steps
    in all, half are done: 0.005 · 1.42105 / √4.38462 = 0.003393. The second parameter's slope is
    1e-8: its first step is half as long.

    >>> model = Model(1, wte=[[1.0]], wpe=[[1.0]], layers=[])
    >>> adam = Adam(model, Settings(steps=2))
    >>> adam.update(model, Model(1, wte=[[3.0]], wpe=[[1e-8]], layers=[]), step=0)
    >>> round(model.wte[0][0], 6), round(model.wpe[0][0], 6)
    (0.99, 0.995)
    >>> adam.update(model, Model(1, wte=[[0.0]], wpe=[[0.0]], layers=[]), step=1)
    >>> round(model.wte[0][0], 6)
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
        lr = self.settings.lr * max(0, 1 - step / self.settings.steps)
        rate = lr / n1
        for matrix in zip(matrices(model), matrices(dmodel), self.totals, self.squares):
            for row, drow, total, square in zip(*matrix):
                for j, g in enumerate(drow):
                    total[j] = total_j = beta1 * total[j] + g
                    square[j] = square_j = beta2 * square[j] + g * g
                    row[j] -= rate * total_j / (sqrt(square_j / n2) + 1e-8)


# %% [markdown]
# ## 9. Sampling
# To invent a name, start with BOS, draw a token from the probabilities that the model gives, let it
# be the next input, and go on until EOS is drawn or all positions are taken. (Many programs divide
# the logits by a "temperature" first: below 1 the likely tokens become likelier still, above 1 the
# unlikely ones get more of a chance.)


# %%
def generate(model, rng):
    """A sample from the model: a list of at most block_size ids, without the EOS.

    BOS can be drawn like any token, by the trained model in about one sample of a hundred. It is
    never a target, but its row of wte is in use as an input, and that row is also its logit.
    """
    cache, token, sample = new_cache(model), BOS, []
    for _ in range(len(model.wpe)):  # block_size times
        logits, _ = forward(model, [token], cache)
        token = rng.choice(softmax(logits[0]))
        if token == EOS:
            break
        sample.append(token)
    return sample


# %% [markdown]
# ## 10. Training
# Everything is there. Training takes one name after another, 5,000 in all: each of the 92 about 54
# times.


# %%
def train(model, documents, vocabulary, rng, settings):
    """Train the model in place, and print its loss and five samples every 500 steps.

    The loss is that of one name, before the update. It jumps about, as some names are harder to
    guess than others. Raises FloatingPointError if it is no longer a finite number.

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
            print(f"step {step:5d}  loss={loss:.4f}  t={time.perf_counter() - start:.2f}s  | {shown}")
    print(f"Done in {time.perf_counter() - start:.3f}s")


# %% [markdown]
# How low can the loss go? Not to 0: nothing tells which of the 92 names will come. A model that knew
# the list by heart would have a mean loss of about 0.81, and after 5,000 steps this one is near 0.88.
# So it has learned the list, not what names are like: about 7 of 10 samples are names that it was
# taught, and names kept out of training surprise it more and more. That is overfitting: too few
# names, too often seen. On 32,000 names the same program learns what names are like, and predicts
# names that it never saw as well as those it was taught. The README measures both.
#
# What do the GPTs that you can talk to add? Tokens that are pieces of words. A norm before the
# logits, and learned gains in all norms. Batches of many texts a step, a rate that first
# rises, limits on weights and gradients. Billions of parameters, and after all that, training on
# conversations. What stays the same is on the first screen: predict the next token, go back through
# the model, and step.

# %% [markdown]
# ## 11. The run
# What remains is not about GPTs: flags, files and errors. The last lines are the whole program, and
# what they define is there for a notebook's next cell: try
# `vocabulary.decode(generate(model, rng))`.

# %%
import argparse
import os
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
        content = path.read_bytes()
    except OSError as error:
        advice = "put a text file there with one name a line, or give another with --data"
        raise type(error)(f"cannot read '{path}': {error.strerror}; {advice}") from None
    try:
        text = content.decode("utf-8").replace("\ufeff", "")  # drop byte-order marks
    except UnicodeDecodeError as error:
        number = len((content[: error.start].decode("utf-8") + ".").splitlines())
        raise ValueError(f"'{path}', line {number}: not UTF-8; save it as UTF-8 text") from None
    if "\0" in text:
        raise ValueError(f"'{path}' has NUL characters in it; save it as UTF-8 text")
    documents = [line.strip() for line in text.splitlines() if line.strip()]
    if not documents:
        raise ValueError(f"'{path}' has no names in it; write one name a line")
    return documents


class Parser(argparse.ArgumentParser):
    """argparse, but an error is a ValueError."""

    def error(self, message):
        """Raise the message."""
        raise ValueError(f"{message}; --help shows every flag")


def parse(arguments):
    """Command-line arguments -> Settings. The comments in Settings are the help for its flags."""
    comments = re.findall(r"^    (\w+): \w+ = .*  # (.+)$", Path(FILE).read_text("utf-8"), re.M)
    parser = Parser(
        description="Train a small GPT on a list of names and print what it invents.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    for field, (name, comment) in zip(fields(Settings), comments):
        default = field.default or argparse.SUPPRESS
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=field.type, default=default, help=comment)
    return Settings(**vars(parser.parse_args(arguments)))


def stop(status, message):
    """Print one line on standard error, if there is one, and exit with this status."""
    if sys.stderr:
        print("microgpt:", *message.splitlines(), file=sys.stderr)
    raise SystemExit(status)


# %%
if __name__ == "__main__":
    if hasattr(sys.stdout, "reconfigure"):  # each line at once, ? for what can't be shown
        sys.stdout.reconfigure(line_buffering=True, errors="replace")
    status = 2
    try:
        started = FILE and Path(FILE).resolve() == Path(sys.argv[0]).resolve()
        settings = parse(sys.argv[1:]) if started else Settings()  # a notebook has no flags
        documents = read_documents(settings.data)
        status = 1
        vocabulary = Vocabulary(documents)
        rng = Xoshiro(settings.seed)
        model = init_model(settings, len(vocabulary.tokens), rng)
        train(model, documents, vocabulary, rng, settings)
    except KeyboardInterrupt:
        stop(130, "stopped")
    except MemoryError:
        stop(1, "out of memory; try smaller sizes or less data")
    except BrokenPipeError:  # whoever read the output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1)
    except (ValueError, OSError, ArithmeticError) as error:
        stop(status, str(error))
