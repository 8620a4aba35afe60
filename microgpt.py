# %% [markdown]
# # microgpt: a whole GPT, brain included
#
# This is the beginning of all that a small GPT knows, 3,632 numbers, a character for each:
#
#     EU;McTSW\RPYRROSF[7KHaUUYV@PNRNEOUQEROSUVGRSRUSWBK6DWZJ\m[[Z…     the rest is in section 7
#
# It was taught a list of 92 names, and writes harry, lucy and george, which are in the list, and
# dyliel, which nobody taught it. Let it finish one of yours:
#
#     >>> from microgpt import *
#     >>> model = load(TRAINED, Settings(), vocab_size=27)
#     >>> generate(model, Vocabulary(NAMES), Xoshiro(seed=7), start="zo")
#     'zophie'
#
# A GPT is little more than two operations, compare and blend, repeated. Here is all of it in plain
# Python. `python microgpt.py` grows another from noise, in ten to thirty seconds:
#
#     step     0  loss=3.2943  | m<BOS>kv<BOS>tpl  kygocwfv  vydcdhlm  kyagrgna  jshozhxr
#     step  1000  loss=2.2393  | nosa  ejas  oyas  iwea  elis
#     step  4999  loss=0.8943  | ellie  rose  owen  eva  elii
#
# Part one, sections 1 to 7, is how a GPT predicts and writes. It needs Python and no calculus. Part
# two, 8 to 15, is how it learns. It needs derivatives, as at school; sections 9 and 10 can wait for
# a second reading. Part three is files and flags. `python -m doctest microgpt.py` checks the >>>
# examples in the code. The idea is Karpathy's: his microgpt.py finds its gradients automatically,
# number by number. Here they are worked out by hand, for whole matrices, which makes this file 20
# to 40 times faster.

# %% [markdown]
# # Part one: how a GPT predicts and writes
#
# ## 1. Names become numbers
# A GPT reads tokens, here letters, each with a number, its id. Two more tokens are marks: a name
# begins with `<BOS>`, after which the first letter can be predicted, and ends with `<EOS>`, with
# which the model says that the name is over. The task is always the same: given the tokens so far,
# predict the next. "emma", which is our example everywhere, poses it five times:
#
#     inputs     <BOS>   e       m       m       a
#     targets    e       m       m       a       <EOS>

# %%
from dataclasses import dataclass, field, fields
from math import cos, exp, inf, isfinite, log, pi, sqrt
from operator import mul
from time import perf_counter
from types import SimpleNamespace as Trace

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
    >>> vocabulary.encode("emma"), vocabulary.decode([BOS, 6, 14, 14, 2, EOS])
    ([6, 14, 14, 2], '<BOS>emma<EOS>')
    """

    def __init__(self, documents):
        self.tokens = ["<BOS>", "<EOS>"] + sorted(set("".join(documents)))
        self.ids = {token: i for i, token in enumerate(self.tokens)}

    def encode(self, text):
        """The ids of the characters of a text. Raises ValueError for one that no name has."""
        unknown = sorted(set(text) - set(self.ids))
        if unknown:
            raise ValueError(f"no name in the list has {', '.join(map(repr, unknown))}")
        return [self.ids[character] for character in text]

    def decode(self, ids):
        """The text of a list of ids."""
        return "".join(self.tokens[i] for i in ids)

# %% [markdown]
# ## 2. A map: the whole model in five lines
# An id is only a label: m has 14 and e has 6, which says nothing about m or e. So each token also
# has a row of 16 numbers, its embedding, and the model learns what to put there. A position's
# vector x, a list of 16 numbers, starts from this row and passes through five lines. On the right
# are shapes, and how many numbers each line has learned:
#
#     x      = wte[token] + wpe[position]        [5, 16]   which letter, and where     432 + 128
#     x      = x + attention(rmsnorm(x))         [5, 16]   gather from earlier places      1,024
#     x      = x + feed_forward(rmsnorm(x))      [5, 16]   work on what was gathered       2,048
#     logits = linear(x, wte)                    [5, 27]   a score for every token
#     probs  = softmax(logits)                   [5, 27]   a probability for every token
#
# `wte` (word token embedding; our words are letters) has a row for each token, and `wpe` (word
# position embedding) one for each of 8 positions; rmsnorm only rescales x. The numbers in these and
# in the matrices of attention and feed_forward are the parameters. Training changes them, and
# nothing else. The row of e was 0.003, 0.008, 0.010, …, at random, before training, and 0.32, 0.42,
# 0.00, … after it. Nobody can say what each number means, but what they do together can be shown.
# After each letter of "emma", the trained model expects
#
#     <BOS>           l 11%    e 11%    m 11%
#     <BOS>e          l 58%    v 33%    m 9%
#     <BOS>em         m 98%    n 1%
#     <BOS>emm        a 100%
#     <BOS>emma       <EOS> 100%
#
# In the list, 10 of 92 names begin with l (11%), 8 with e, 8 with m (9%), and 9 with j, which the
# model underrates. Of the 8 with e, 5 go on with l (62%), 2 with v (25%) and 1 with m (12%). The
# model comes close. Such a table, for any beginning at all, is what a language model is. In all
# shapes, these letters mean the same:
#
#     T = 5      positions that go in at once, here <BOS> and the letters of "emma"
#     V = 27     tokens in the vocabulary: 25 letters (no name has a q) and two marks
#     C = 16     numbers in the vector of a position
#     H = 4      attention heads (section 4)
#     D = 4      numbers in a vector of one head: C / H
#     [T, C]     a matrix: a list of T lists, its rows, of C numbers each
#
# x[t][i] is number i of row t of x. Code calls the row x_t and the number x_ti.
#
# ## 3. Compare and blend
# To compare two vectors, take their dot product, the sum Σ_i a[i] b[i]. It is large if both have
# large numbers in the same places and with the same signs: [1, 2] compared with [2, 3] is 8, with
# [2, -1] it is 0, with [-2, -3] it is -8. `linear` compares each row of x with each row of a
# matrix. To blend vectors, multiply each by a weight and add them up: `mix` blends the rows of a
# matrix. `add`, `softmax` and `rmsnorm` are small steps between these two.

# %%
def pairs(a, b):
    """zip(a, b), but raises ValueError if one list is longer (as strict=True does from 3.10 on)."""
    if len(a) != len(b):
        raise ValueError(f"lengths {len(a)} and {len(b)} differ")
    return zip(a, b)

try:
    from math import sumprod as dot  # from Python 3.12 on
except ImportError:

    def dot(a, b):
        """Σ_i a[i] b[i]: two vectors [n] -> a number. Raises ValueError if their lengths differ."""
        if len(a) != len(b):
            raise ValueError(f"lengths {len(a)} and {len(b)} differ")
        return sum(map(mul, a, b))

def linear(x, w):
    """Compare each row of x with each row of w: x [T, n], w [m, n] -> y [T, m].

    >>> linear([[10.0, 1.0]], w=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    [[12.0, 34.0, 56.0]]
    """
    return [[dot(x_t, w_i) for w_i in w] for x_t in x]

def mix(weights, rows):
    """Blend the rows, once for each row of weights: weights [T, m], rows [m, n] -> y [T, n].

    >>> mix([[10.0, 0.0, 1.0]], rows=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    [[15.0, 26.0]]
    """
    y = []
    for weights_t in weights:
        y_t = [0.0] * len(rows[0])
        for weight, row in pairs(weights_t, rows):
            if weight:  # many are 0 (sections 4 and 5), and leaving them out saves time
                y_t = [y_tj + weight * row_j for y_tj, row_j in zip(y_t, row)]
        y.append(y_t)
    return y

def add(a, b):
    """a[t][i] + b[t][i]: two matrices [T, n] -> [T, n]."""
    return [[a_ti + b_ti for a_ti, b_ti in pairs(a_t, b_t)] for a_t, b_t in pairs(a, b)]

# %%
def softmax(x):
    """Turn each row of scores into probabilities: any numbers [T, n] -> [T, n].

    y[t][i] = e^x[t][i] / Σ_k e^x[t][k]. If one score is higher than another by 1, its probability
    is e = 2.718 times that of the other.

    >>> softmax([[0.0, log(3)], [1000.0, 1000.0]])
    [[0.25, 0.75], [0.5, 0.5]]
    """
    y = []
    for x_t in x:
        top = max(x_t)  # e^1000 would overflow, and subtracting top from all changes no quotient
        exps = [exp(x_ti - top) for x_ti in x_t]
        total = sum(exps)
        y.append([e / total for e in exps])
    return y

def rmsnorm(x):
    """Each row divided by its root mean square: [T, n] -> [T, n].

    So attention and feed-forward get numbers of one size, though x grows as they add to it. The
    1e-5 prevents a division by 0. (Zhang and Sennrich 2019, equation 4, without its gain.)

    >>> [[round(y_ti, 3) for y_ti in y_t] for y_t in rmsnorm([[3.0, 4.0, 0.0, 0.0]])]  # over 2.5
    [[1.2, 1.6, 0.0, 0.0]]
    """
    y = []
    for x_t in x:
        r = 1 / sqrt(dot(x_t, x_t) / len(x_t) + 1e-5)
        y.append([r * x_ti for x_ti in x_t])
    return y

# %% [markdown]
# ## 4. Attention: compare with other positions, blend what they hold
# After "emm", what comes next? The second m cannot say. Its x holds its own letter and place, and
# nothing else. It must ask the positions before it.
#
# Three matrices make a query, a key and a value from the x of each position. Think of the query
# as a question, of the key as a label, and of the value as what a position hands over. (Nothing
# forces them to be that. They become whatever makes the guesses better.) A position compares its
# query with its own key and those before it; softmax turns these scores into weights; with the
# weights it blends the values. By hand, for a query [4, 0, 0, 0] and three positions:
#
#     keys      [0, 1, 0, 0]   [1, 0, 0, 0]   [0, 2, 0, 0]
#     scores    0              2              0               dot products 0, 4, 0, over √D = 2
#     weights   0.11           0.79           0.11            e^0, e^2, e^0, over their sum, 9.39
#     values    [5, 5, 0, 0]   [0, 1, 0, 0]   [5, 5, 0, 0]
#     result    [1.1, 1.9, 0, 0]                              the values, blended by the weights
#
# The query found the second key, so the result is close to the second value. (Why √D? A sum of D
# products of size 1, with random signs, is about √D large. If scores lie far apart, one position
# gets nearly all weight, and softmax hardly learns. At D = 4, this makes little difference.)
#
# A position must not see later ones, or it would read its answer there. So their weights are 0: the
# causal mask. Here are real weights, of one head of the trained model, with a row for each position
# that looks. The second m looks mostly at e; the a looks mostly at the second m:
#
#            <BOS>      e      m      m      a
#     <BOS>   1.00
#     e       0.52   0.48
#     m       0.71   0.24   0.05
#     m       0.07   0.89   0.02   0.01
#     a       0.09   0.12   0.03   0.60   0.16
#
# One set of weights gives one blend. So there are H = 4 heads with weights of their own: one can
# look at the letter before, another at the first. Queries, keys and values [5, 16] are cut into
# four pieces [5, 4], a piece for each head. The four results are joined to [5, 16], and a fourth
# matrix, `wo`, combines what the heads found into what is added to x.
#
# A position's keys and values depend only on letters up to it. So they never need to be computed
# again. They are kept in a cache, and a new letter costs the work of one position. A cache belongs
# to one name; a second name would see the first. (attention, feed_forward and forward also return a
# trace: numbers that part two will need.)

# %%
def split_heads(x, n_head):
    """Cut each row into a piece for each head: [T, C] -> [H, T, D]."""
    size = len(x[0]) // n_head
    return [[x_t[i : i + size] for x_t in x] for i in range(0, len(x[0]), size)]

def join_heads(heads):
    """Put the pieces together again: [H, T, D] -> [T, C]."""
    return [[x_ti for head in heads for x_ti in head[t]] for t in range(len(heads[0]))]

def attend(q, keys, values):
    """One head: q [T, D], keys and values [S, D] -> result [T, D], weights [T, S].

    The cache holds S positions, of which the last T ask: T = S if a name comes as a whole, T = 1 if
    it comes letter by letter. (Vaswani et al. 2017, equation 1, with the causal mask.)

    >>> result, weights = attend(  # the example by hand
    ...     q=[[4.0, 0.0, 0.0, 0.0]],
    ...     keys=[[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]],
    ...     values=[[5.0, 5.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [5.0, 5.0, 0.0, 0.0]])
    >>> [round(w, 2) for w in weights[0]], [round(y, 1) for y in result[0]]
    ([0.11, 0.79, 0.11], [1.1, 1.9, 0.0, 0.0])
    """
    scale = 1 / sqrt(len(q[0]))
    weights = []
    for seen, q_t in enumerate(q, start=len(keys) - len(q) + 1):
        scores = [scale * dot(q_t, key) for key in keys[:seen]]  # compare, up to its own key
        weights_t = softmax([scores])[0]
        weights.append(weights_t + [0.0] * (len(keys) - seen))  # the causal mask
    return mix(weights, values), weights  # blend

def attention(x, layer, n_head, cache):
    """All heads: x [T, C], normed -> y [T, C], trace. Adds keys and values to the cache."""
    keys, values = cache
    keys.extend(linear(x, layer.wk))  # [S, C] now
    values.extend(linear(x, layer.wv))
    q = split_heads(linear(x, layer.wq), n_head)  # [H, T, D]
    k, v = split_heads(keys, n_head), split_heads(values, n_head)  # [H, S, D]
    results, weights = [], []
    for h in range(n_head):
        result, weights_h = attend(q[h], k[h], v[h])
        results.append(result)
        weights.append(weights_h)
    joined = join_heads(results)  # [T, C]
    return linear(joined, layer.wo), Trace(x=x, q=q, k=k, v=v, weights=weights, joined=joined)

# %% [markdown]
# ## 5. Feed-forward: compare with what was learned, blend what was learned
# Then each position works alone on what it has gathered. It compares its x with each row of `fc1`,
# and blends the rows of `fc2`: the better x matches row i of fc1, the more of row i of fc2 goes
# into the result, which is added to x. The 64 pairs of rows (4C, by custom) are the hidden units.
# This is like attention without softmax, with keys and values that do not come from this name but
# were learned from all names.
#
# A match below 0 counts as 0. Without this bend, one matrix could replace fc1 and fc2, just as
# 3 · (2 · x) is 6 · x. A match above 0 is squared, which was found to learn faster (So et al.
# 2021). In the trained model, about two thirds of the units are at 0, and mix leaves them out.

# %%
def squared_relu(x):
    """y[t][i] = 0 if x[t][i] <= 0, else x[t][i]²: [T, n] -> [T, n]. -3 gives 0; 0.5 gives 0.25."""
    return [[0.0 if x_ti <= 0 else x_ti * x_ti for x_ti in x_t] for x_t in x]

def feed_forward(x, layer):
    """All hidden units: x [T, C], normed -> y [T, C], trace."""
    matches = linear(x, layer.fc1)  # [T, C] -> [T, 4C]
    hidden = squared_relu(matches)
    return mix(hidden, layer.fc2), Trace(x=x, matches=matches, hidden=hidden)  # [T, 4C] -> [T, C]

# %% [markdown]
# ## 6. The model
# A layer is attention and feed-forward with their six matrices. `forward` is the map of section 2,
# up to the logits.

# %%
@dataclass(repr=False)  # a prompt would print all of its numbers
class Layer:
    """The matrices of one layer, also called a transformer block."""
    wq: list  # [C, C] makes queries
    wk: list  # [C, C] makes keys
    wv: list  # [C, C] makes values
    wo: list  # [C, C] turns what the heads gathered into what is added to x
    fc1: list  # [4C, C] what each hidden unit compares x with
    fc2: list  # [4C, C] what each hidden unit adds to x

@dataclass
class Model:
    """All parameters."""
    n_head: int
    wte: list  # [V, C] token embeddings
    wpe: list  # [block_size, C] position embeddings
    layers: list  # of Layer

    def __repr__(self):
        sizes = f"layers={len(self.layers)}  embd={len(self.wte[0])}  heads={self.n_head}"
        return f"microgpt  vocab={len(self.wte)}  params={count_parameters(self)}  {sizes}"

def matrices(model):
    """All matrices of a model, always in the same order."""
    return [model.wte, model.wpe] + [w for layer in model.layers for w in vars(layer).values()]

def count_parameters(model):
    """How many numbers the matrices have."""
    return sum(len(row) for w in matrices(model) for row in w)

def new_cache(model):
    """An empty cache: for each layer, the keys and the values of all positions so far."""
    return [([], []) for _ in model.layers]

def forward(model, tokens, cache):
    """T ids, at the next free positions -> logits [T, V], trace. Adds to the cache.

    Raises IndexError if there are too few positions, or an id is too large.
    """
    start = len(cache[0][0])  # positions taken: keys in the cache of the first layer
    end = start + len(tokens)
    if end > len(model.wpe):
        raise IndexError(f"{end} tokens, but the model has {len(model.wpe)} positions")
    x = add([model.wte[token] for token in tokens], model.wpe[start:end])  # [T, C]
    traces = []
    for layer, layer_cache in pairs(model.layers, cache):
        y, attention_trace = attention(rmsnorm(x), layer, model.n_head, layer_cache)
        middle = add(x, y)
        y, feed_forward_trace = feed_forward(rmsnorm(middle), layer)
        traces.append(Trace(x=x, middle=middle,
                            attention=attention_trace, feed_forward=feed_forward_trace))
        x = add(middle, y)
    return linear(x, model.wte), Trace(layers=traces, x=x)  # [T, C] -> [T, V]

# %% [markdown]
# Why these lines? Without `wpe`, one layer would predict the same after "amy" as after "may": the
# last letter would blend the same values with the same weights, and a sum has no order. Attention
# and feed-forward add to x and do not replace it (residual connections), so what a position knew is
# still there. At the end, x is compared with the rows of `wte`, used a second time (weight tying):
# the better x matches a token's row, the likelier that token is.
#
# In the first layer, a position hands over only its own letter and place. In a second layer
# (`--n-layer 2`), it hands over what it has gathered, so others can look for "an m after an e".
#
# In the matrices, a token costs one multiplication for each number but those of wpe, 3,504 (fewer,
# as mix leaves units out), and attention 2C = 32 more for each position that the token sees.
#
# ## 7. Writing
# Writing needs random numbers and a model. You may skip how these are made, down to `generate`.
# (Python's `random` would do, but this generator is easily written in any language, and then gives
# the same numbers.)

# %%
class Xoshiro:
    """The generator xoshiro128+ (Blackman and Vigna 2021), with a seed of 64 bits.

    >>> rng = Xoshiro(seed=2**32)
    >>> [hex(word) for word in rng.state]
    ['0xdeadbeef', '0xcafebabf', '0x1', '0x2']
    >>> rng.state = [1, 2, 3, 4]  # from which the published program draws 5, 12295, 25178119, …
    >>> round(rng.normal(sigma=1.0), 4), rng.draw()  # √(-2 ln(6 / 2³²)) · cos(2π · 12295 / 2³²)
    (6.3858, 25178119)
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

# %%
def setting(default, meaning):
    """A field of Settings: its default, and what --help says of it."""
    return field(default=default, metadata={"meaning": meaning})

@dataclass
class Settings:
    """The sizes of a model, and how to train it (sections 13 and 14)."""
    n_embd: int = setting(16, "C, numbers in the vector of a position, a multiple of n_head")
    n_head: int = setting(4, "H, attention heads")
    n_layer: int = setting(1, "layers, each of them attention and feed-forward")
    block_size: int = setting(8, "positions (the context length); no sample has more letters")
    steps: int = setting(5000, "training steps, one name each")
    lr: float = setting(0.01, "learning rate: about the most that a parameter moves in a step")
    beta1: float = setting(0.9, "how slowly Adam forgets slopes")
    beta2: float = setting(0.95, "how slowly Adam forgets squared slopes")
    seed: int = setting(42, "where random numbers start")
    data: str = setting(None, "file with one name a line (default: names.txt beside it, or NAMES)")

def init_model(settings, vocab_size, rng):
    """A new Model, drawn from rng in the order of matrices(model). Section 12 says why so."""
    n = settings.n_embd

    def matrix(n_rows, sigma=0.02):
        return [[rng.normal(sigma) for _ in range(n)] for _ in range(n_rows)]

    wte, wpe = matrix(vocab_size), matrix(settings.block_size)
    layers = [Layer(wq=matrix(n), wk=matrix(n), wv=matrix(n), wo=matrix(n, sigma=0.0),
                    fc1=matrix(4 * n), fc2=matrix(4 * n, sigma=0.0))
              for _ in range(settings.n_layer)]
    return Model(settings.n_head, wte, wpe, layers)

# %% [markdown]
# To write a name, start with `<BOS>`, draw a token from the probabilities, make it the next input,
# and go on until `<EOS>` is drawn or all 8 positions are taken.

# %%
def generate(model, vocabulary, rng, start="", temperature=1.0):
    """A name, as text of at most block_size letters, that begins with the text start.

    The logits are divided by the temperature. Above 1, that makes the model bolder; below 1, more
    cautious: at 0.5, chances of 75% and 25% become 90% and 10%. Raises ValueError if start is too
    long or has an unknown letter, or if the temperature is not above 0.
    """
    if len(start) > len(model.wpe):
        raise ValueError(f"start may have {len(model.wpe)} characters at most, not {len(start)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    ids = vocabulary.encode(start)
    tokens, cache = [BOS, *ids], new_cache(model)  # start goes in at once
    while len(ids) < len(model.wpe):
        logits, _ = forward(model, tokens, cache)
        probs = softmax([[logit / temperature for logit in logits[-1]]])[0]
        token = rng.choice(probs)
        if token == EOS:
            break
        ids.append(token)
        tokens = [token]
    return vocabulary.decode(ids)

def look_inside(model, vocabulary, name):
    """Print what the model expects after each letter of a name, and where each head looks."""
    tokens = [BOS, *vocabulary.encode(name)][: len(model.wpe)]  # a long name is cut
    letters = [vocabulary.tokens[token] for token in tokens]
    logits, trace = forward(model, tokens, new_cache(model))
    for t, probs in enumerate(softmax(logits)):
        likeliest = sorted(range(len(probs)), key=lambda i: -probs[i])[:3]
        shown = [f"{vocabulary.tokens[i]} {probs[i]:.0%}" for i in likeliest if probs[i] > 0.005]
        print(f"{''.join(letters[: t + 1]):15}", "    ".join(shown))
    for n, layer in enumerate(trace.layers):
        for h, weights in enumerate(layer.attention.weights):
            print(f"\nlayer {n}, head {h}\n     " + "".join(f"{letter:>7}" for letter in letters))
            for t, letter in enumerate(letters):
                print(f"{letter:5}" + "".join(f"{weight:7.2f}" for weight in weights[t][: t + 1]))

# %% [markdown]
# An untrained model writes noise. Here is all that a trained one knows, a character for each of its
# parameters: P is 0, Q is 1/19, O is -1/19, and so on. It is the model at the end of the run at the
# top, rounded. Its mean loss over the list is 0.88, and was 0.85 before rounding. (In the
# repository, `tests/figures/trained.py` makes this text again, or that of a model of yours.)
# Looking does not help. Load it.

# %%
TRAINED = r"""
EU;McTSW\RPYRROSF[7KHaUUYV@PNRNEOUQEROSUVGRSRUSWBK6DWZJ\m[[ZNQQ\NIDL]_UXT\WWQXKT9S?HaVCTYOU]PYTM
VXPLNOMNeXPSQ\NNHZ?Sb_FUa`QPPSMA=LBG`iM`]WW[OYVHBUDTSSX_\XPOWPVMIQRKP`PPSYPVLV\KJXIS[iQbXHJHLU\F
FMHVW^N_\QO_QXJSOOOW[[JLTZ@MWRMTETDYTYWOSLTNU]TPK[HURYPPUQWQISEOO^PI`^CVXTZTNROTDX7KUlClrUYJZSQK
MIAN`SMRSOMNCOSGDQGMY[RW`VMILGSPNY<MdUL\LeVRGSRSLRJRipTRfOU\SRUKFN?SeaGNWgXKVTXRDM?OsSSSSgGPSZIA
FR;I[`JcTTLITWRBJS=MWULYPSO[]NSJ#Y1Gky?SUcW[OWJCXS\QQHVMGIJIKVNq[RUSaJQGLMPOSGRKSD`N<LTINQORKFMc
ZQ]TI?UK=QHOOJOOMHMINDWKILDPHRHLSNJS<BXLGH=RUIG@KSAPHC_KWMHBZ\=TIVHFDK]O@BLYSRPAQILMYNTRLHYOJJ?Y
MYRTLUHPSUILVW[IMNHK]RNZOJ\NQJDRQMPYWKPFE]KZRGMUZZUKIKR[ZIJFTQNSDQQUNO]JGQDNMPRJ\GTFKPNENPMWIJPX
VHYJGTOOQTNYNEYPQLZF@LQQ[WH^INVOUfMWUNOFIJREHRNJGEQEAKVWYUE[KLRO>LGVRIYTLPKCCSIRU\S\ISWISMOM^OQE
SRLFUQMYMAP\VRRQJEHOPHUVN@SILWEWYSQTXVATNXPSLHMIPH[[OYCDXZU]OQQTPTKFRGXRFMIEMPRNKD[TNVD@RZNPGUXX
KIB[[XOOQWULRLSGQIWSSMEQD`PUHQZOLZ?MNMP[UPSPZFLGUGQUYNUQDEMWPSUOULSS^XKPFIMMPPURSA^QFRKNLQY[EMUR
=S@WYWNZTZQANRVM[F^OLTHLPOW]JMMR]RRMZVHQUUUWRMIKLLQ=KPHNGQPNFG\VNFOZNLRLGULKTGVILQ?YKLZ]RSLIMGMN
VR\NUNN@JQOXM]PUSIKKOMSWOVRQSOKMHPPPQLS]YVKNQQUOVUQJQQPKOMKRJQXPTPJQPISQKTVFPKORUQVROROOTIXQULUN
ONMJQXKLQMYNRRcONJTSRO[KJWTNXNWQMOMMNSUMVJNNQPSQQRSVRTKPNDNJRSORMNPMQNURRPLTLPZJSKPQQSLRILIJQKQQ
PTTLNYJUOKYMNKTSOULTNGOLKLDKOP@NORRPRXQOLSRPKRTMNTMTQMVBS[XJGRPNOMNRNKQMORMTZKPQRRPPMOQRLRONNNNO
QPQVNKNROKKURMTSLVOPJSORSNRONPRPPPMSNSMQKTIVMQMQIKVQV_PVUIOLIQRKMMMUOMNPKSNLTKSTLRPROPIQUQTTQQMP
TTOQVQQMLNUUWMGOOTRQMRLQTKPWSLMSSMMOOPNOTQQPONNSPMONXYONPLITDYIOSNJTWSWRPLPMOUMPLCYRWNJTKOQLQRRO
VXRYPWJRORJGSJHMRTMTQPUNQNROXV\OPVTKOTTTMPOCFQLPOLIUQQRUNKSOVUMPEJNNLVJJMPWUVYVMUFSOTIVRGLULS\OT
DPOEMMRUVOSQYJWLIJR_IPZQJDVIR[SSSLOSPHDLKBPKEUOOIMFTRVKYPUQKSUPMFHLUMOWSODOM`SNSOWEQNZNTUMTS]RLJ
PQ<FKGQYS=MPROJINNEOHNXLKTO[WSEIKCONTOKTSONLWRWQGLORPVEHONQQLZVR\ZTVNLOORLNSWVPG>NKQJYUPTHJWSTXL
TM@UJMSMRWQMYWJNEQMMM\DOLXSV\L[KUTWJNIOOHOVSXLTRMJPYKXQWOWNXNISQGGKRLMSWQUMGPXMHJF@PKLP^URWUUOQU
SZRSVQNSMYUOJSRSTIJRPOO[WNL]OZJMGKMOWSDNUYQULRPVUNHGXWLNCVVXNTWNZQTRIMIIGNMYO_JRPQIMMMU]LSRU`PSI
CMKVOJUWUHVJ[SROOLNWVRHPSYLM[PWNSYOXQNTZKWZNITKLXUMLWOKUPTYORMNPLOPPSVR[UPREQNYNLRJUQQXMDIPNYTVO
TQJWLQPQKSKZ[YRNHMJSNWHPOQWRRQSNMRHUORUKGQTORQGKRHPPIVFaPUQWRLPVEHQJIQHWTSQ^OL[LKLKTNSOTLJUORRSP
ILGPSUHUJFRETRRGHRG9OYNTRUOZPOJOPPWFOOTOXOOOWQOWNPLRHMOQ_\MK\NGNJOJTRUHRPPYXTRQMRMSWORSNHZWSRL\P
EOARSTGPOMQIQMNOPTEQROSUMKURSNLHYZFMPYK[TUUMQOXQVPTKDHRTRMUWNPISHOFYQN\KTRQS[QYQMDNWQNFIN\IBOQDR
IMLTSKWQFUGPJJLIPOHPLZBWYNQNRTTRSNL[KKLPPMWLSTPOIKGQRVHPONZVTTRMTQMVOSUXNSVVRKKFMQ=IXLIMHSNOOPQL
FGWMSRSQXZN\LTOLXZWIUPKTRTPYNSVLKLQSNaWUZNRQSMYSFKMOOWQTTN[UOMGQYRQPIOSOHWKWaUUIMOL`TNWKNNIRRNHN
VPMNFOVLCCLPYLMQMYZRKMMSLOPSSSSOXJSMIPO[QO_EWWKOOPTUOTHOPM[VUTJaSKNGNIMTNKTUQJSGNUOSS\TLZPVNNZOH
S@NBRQXSGGLTPIQPSJQDHNVULQOPUPQLPKUXIJ[JTPVPO\VFPSVUMVHVTZXOKOVLAGMSKY^SWSQFLHSOYWVQFIVOKQKQNLGV
PNUYLVLNQ^UMGOWJOIGMVILSNKPGXOFLMXV[OTCLNRRJ[VX\NYOR>TT@RTJFWVQJTTNRTPONDOFITHJSUQVNKNVNLJWP=QEM
JFAIGQQMKLIBVHJKYVTORMMNGNQQ\QAVNOUPFWRKUZLVITRFRLRVTJTR?KJSYIRHJHTVJLKRTTMEHRVJXSUOHBVLPHOCPQIP
UIUGEHPTNIMQSMTFRLV]IJQSObMKVKSKSTOSQYJIDNQCJFIRSGMTNF\^ISSTVWKMTPU[HNSSIZQPSWPDSOTPMRUFWSRZRVUG
PW]YCMWOXPRLINVDKSWQLFPRRSDLOINNZTV>TJLNBMSQSIQWQNQBNUSNALLRRGRUSRROXSJVCSXYQOLYQTWNOLSQQJTOQLKR
QUdPKNOOGPOJJHPSYN`MRIIQPXNMZPYXQJOSQQQRDIRE\JUTSRVIMSPLORPNVLPOVZTCRNP^MDQOZ@KYPUTLIKMG[\YM?LDS
IHYWLMFRMRYGLWPJVNKSMYFNUYEMWLOCTLVKOOQMNNNNOPIXPOPLSRRTRRW=IFWTPSSCIQWTMHQP\JSPKT`VOPMSNTPSXMUR
MQTQGHUZUURJKPZHZLDSYLBNGRZJJMJT]JXBDHTMGKNYQRPVXNWHLPPPMOJb[NYMT_QANOMVQL[\NWQPVURCJLMNUQVUWPUO
SWOMNSQYJXVRQTRQXMVLRNQNOIMTSRGWQS^[MNNQNXSKRHNORZRRNVSSIR[]QFQONLOFQGKKQH[XO]RMHIJZRBPAEMNMSLOY
VDSRSLMVMQVUGT:VLFLWLTTUTQWLGLFTTVODN[Q_JLWVJSMKVSXCNOPYQPR\SQXNNONTKHiO?IQNOKOQ
"""

# %%
def load(text, settings, vocab_size):
    """A model whose parameters, in the order of matrices(model), are the characters of a text.

    Raises ValueError if there are more or fewer characters than parameters.

    >>> vocabulary, rng = Vocabulary(NAMES), Xoshiro(seed=42)
    >>> untrained = init_model(Settings(), len(vocabulary.tokens), rng)
    >>> generate(untrained, vocabulary, rng)
    'm<BOS>kv<BOS>tpl'
    >>> model, rng = load(TRAINED, Settings(), vocab_size=27), Xoshiro(seed=7)
    >>> " ".join(generate(model, vocabulary, rng) for _ in range(12))
    'sann harry josh lucy willla lila isaar isaar maria dyliel george luna'
    >>> [generate(model, vocabulary, Xoshiro(seed=7), "zo", temperature) for temperature in (1, 2)]
    ['zophie', 'zosa']
    >>> look_inside(model, vocabulary, "emma")  # doctest: +ELLIPSIS
    <BOS>           l 11%    e 11%    m 11%
    ...
    layer 0, head 1
           <BOS>      e      m      m      a
    <BOS>   1.00
    ...
    """
    model = init_model(settings, vocab_size, Xoshiro(settings.seed))
    characters = "".join(text.split())
    if len(characters) != count_parameters(model):
        raise ValueError(f"{len(characters)} characters for {count_parameters(model)} parameters")
    numbers = ((ord(character) - 80) / 19 for character in characters)
    for w in matrices(model):
        w[:] = [[next(numbers) for _ in row] for row in w]
    return model

# %% [markdown]
# That is a GPT, and all that one does when it writes. GPT-3 writes by the same loop, with 48
# million times as many numbers. You may stop here. The rest is how such numbers are found.
#
# # Part two: how it learns
#
# ## 8. How wrong, and which way is better? Loss and slopes
# Now forget those 3,632 numbers. To grow them from noise takes five lines, for name after name:
#
#     logits, trace = forward(model, inputs, new_cache(model))     guess every next token
#     loss, probs = cross_entropy(logits, targets)                 how wrong was that?
#     dlogits = cross_entropy_backward(probs, targets)             which scores should rise or fall,
#     dmodel = backward(model, inputs, dlogits, trace)             and which parameters?
#     adam.update(model, dmodel, step)                             a small step that way
#
# All letters of the name go in, however wrong the guesses before them were (teacher forcing).
#
# How wrong is a guess? Its surprise is -ln p, where p is the probability of the token that came: 0
# if p = 1, 0.69 if p = 1/2, and ln 27 = 3.30 if all 27 tokens seemed equally likely. The loss is
# the mean surprise over the T guesses. (Why a logarithm? The probability of a name is the product
# of the probabilities of its tokens. ln makes it a sum, so that each token has its own share.)
#
# To learn is to change the parameters so that the loss falls. That takes slopes (derivatives): how
# fast does the loss change with one parameter, while all others stay as they are? If the slope is
# positive, a little less of that parameter lowers the loss; if negative, a little more. All slopes
# together are the gradient, and a small enough step against it lowers the loss.
#
# Slopes follow the chain rule. If y changes twice as fast as w, and the loss three times as fast as
# y, then the loss changes six times as fast as w: along a path, slopes multiply. If w acts on the
# loss by several paths, a nudge of w sends a change down each of them, and slopes add up. Below, w
# reaches z directly and through y. Values are computed downwards, then slopes from the loss back.
# Everywhere, `dx` is the slope of the loss with respect to x, and has the shape of x.

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
# Look at `db = dy * w`: slopes need values from the way forward. So attention, feed_forward and
# forward keep a trace.
#
# One could find every slope by a nudge: 3,632 more forward passes. The way back finds them all at
# once, and costs about two forward passes. This is backpropagation. What should fall is the mean
# loss over all names, but its gradient needs 92 backward passes. The gradient of one name is a
# rough guess at it, good enough for a small step, so a step follows every name. (If the names came
# in random order, this would be stochastic gradient descent. Here they take turns.)
#
# ## 9. Back through each operation
# Each operation y = f(x) has a backward: given dy, it returns dx, the slopes of what went in. The
# first slopes come from **cross-entropy**. At one position, with Z = Σ_k e^logits[k],
#
#     loss = -ln(e^logits[target] / Z) = ln Z - logits[target]
#
# ln Z changes with Z by 1/Z, and e^x is its own slope. So for logits[i], the first term has the
# slope e^logits[i] / Z = probs[i], and the second has -1 if i is the target, else 0. The gradient
# is what the model said minus what was true. Say it said [0.7, 0.2, 0.1], and token 2 came. The
# truth is [0, 0, 1], and dlogits is [0.7, 0.2, -0.9]. A step against it raises the target's score
# and lowers the others, most of all the one that seemed likeliest. (All is divided by T, for the
# mean.)

# %%
def cross_entropy(logits, targets):
    """The loss: logits [T, V], T ids -> the mean of -ln p(target) (a number), probs [T, V]."""
    probs = softmax(logits)
    # A p that rounds to 0 has no logarithm; 5e-324 is the smallest float above 0.
    losses = [-log(probs_t[target] or 5e-324) for probs_t, target in pairs(probs, targets)]
    return sum(losses) / len(losses), probs

def cross_entropy_backward(probs, targets):
    """Backward of cross_entropy: probs [T, V], T ids -> dlogits [T, V].

    >>> cross_entropy_backward([[0.7, 0.2, 0.1]], targets=[2])
    [[0.7, 0.2, -0.9]]
    """
    dlogits = [[p / len(targets) for p in probs_t] for probs_t in probs]
    for dlogits_t, target in pairs(dlogits, targets):
        dlogits_t[target] -= 1 / len(targets)
    return dlogits

# %% [markdown]
# **linear** compares: y[t][i] = Σ_j w[i][j] x[t][j]. Take two positions, and some dy:
#
#     x = [2, 3]     w = [1, 4]     y = [14, 28]     dy = [10, 100]
#         [1, 0]         [5, 6]         [ 1,  5]          [ 0,   1]
#
# x[0][0] acts on y[0][0] with slope 1 and on y[0][1] with slope 5: two paths, so slopes add up. And
# w[1][0] acts on y[0][1] with slope 2 and, at the other position, on y[1][1] with slope 1:
#
#     dx[0] = 10 · [1, 4] + 100 · [5, 6] = [510, 640]
#     dw[1] = 100 · [2, 3] +  1 · [1, 0] = [201, 300]
#
# Both are blends. dx[0] blends the rows of w, with the weights dy[0]. dw[1] blends the rows of x,
# with the weights in column 1 of dy.
#
# **mix** blends: y[t][j] = Σ_i weights[t][i] rows[i][j]. Take one t, weights [10, 0] for the rows
# [3, 4] and [5, 6], and dy = [1, 2]. The second weight acts on y[0] with slope 5 and on y[1] with
# slope 6, so its slope is 1 · 5 + 2 · 6 = 17, the dot product of dy and the second row: a
# comparison. The slopes of the first row are 10 · [1, 2], those of the second 0 · [1, 2]: a blend.
#
# On the way back, compare becomes blend, and blend becomes compare and blend. A GPT learns with the
# same two operations with which it writes. (Both are what is called a matrix product, once read by
# rows and once by columns. So a blend can also be taken as dot products with columns.)

# %%
def transpose(rows):
    """Rows become columns: [m, n] -> [n, m]."""
    return [list(column) for column in zip(*rows)]

def linear_backward(dy, x, w):
    """Backward of linear: dy [T, m], x [T, n], w [m, n] -> dx [T, n], dw [m, n].

    dx[t][j] = Σ_i dy[t][i] w[i][j], which is mix(dy, w)
    dw[i][j] = Σ_t dy[t][i] x[t][j], which is mix(transpose(dy), x)

    With no zeros to leave out, the same sums are faster as dot products with columns:

    >>> linear_backward([[10.0, 100.0], [0.0, 1.0]], x=[[2.0, 3.0], [1.0, 0.0]],
    ...                 w=[[1.0, 4.0], [5.0, 6.0]])
    ([[510.0, 640.0], [5.0, 6.0]], [[20.0, 30.0], [201.0, 300.0]])
    """
    return linear(dy, transpose(w)), linear(transpose(dy), transpose(x))

def mix_backward(dy, weights, rows):
    """Backward of mix: dy [T, n], weights [T, m], rows [m, n] -> dweights [T, m], drows [m, n].

    >>> mix_backward([[1.0, 2.0]], weights=[[10.0, 0.0]], rows=[[3.0, 4.0], [5.0, 6.0]])
    ([[11.0, 17.0]], [[10.0, 20.0], [0.0, 0.0]])
    """
    return linear(dy, rows), mix(transpose(weights), dy)

# %% [markdown]
# **softmax** is y[i] = e^x[i] / Z with Z = Σ_k e^x[k]. The quotient rule gives its slope for x[j]:
#
#     if i = j    (e^x[i] Z - e^x[i] e^x[i]) / Z² = y[i] - y[i] y[i]
#     if not      (0 - e^x[i] e^x[j]) / Z²        = -y[i] y[j]
#
# x[j] acts on every y[i]. So multiply by dy[i] and add up over i:
#
#     dx[j] = dy[j] y[j] - Σ_i dy[i] y[i] y[j] = y[j] (dy[j] - Σ_i dy[i] y[i])
#
# The sum is the mean of dy, weighted by y. With y = [0.25, 0.75] and dy = [4, 8] the mean is 7, and
# dx = [0.25 · -3, 0.75 · 1] = [-0.75, 0.75].
#
# **rmsnorm** is y[i] = r x[i] with r = u^(-1/2) and u = Σ_i x[i]² / n + 1e-5. x[j] acts on y[j]
# directly, with slope r, and through r on every y[i]. The slope of r with respect to x[j] is
#
#     -1/2 u^(-3/2) · 2 x[j] / n = -r³ x[j] / n
#
# and so dx[j] = r dy[j] - Σ_i dy[i] x[i] · r³ x[j] / n. With x = [3, 4, 0, 0], r is 1 / 2.5 = 0.4;
# with dy = [1, 0, 0, 0], the sum is 3; and dx[0] = 0.4 - 3 · 0.064 · 3 / 4 = 0.256.
#
# **squared_relu** has the slope 2 x[i], or 0 where x[i] < 0. **add** has the slope 1 for both of
# its inputs: it hands dy on to both, and needs no function.

# %%
def softmax_backward(dy, y):
    """Backward of softmax, from its output: dy [T, n], y [T, n] -> dx [T, n].

    >>> softmax_backward([[4.0, 8.0]], y=[[0.25, 0.75]])
    [[-0.75, 0.75]]
    """
    dx = []
    for dy_t, y_t in pairs(dy, y):
        mean = dot(dy_t, y_t)
        dx.append([y_ti * (dy_ti - mean) for dy_ti, y_ti in zip(dy_t, y_t)])
    return dx

def rmsnorm_backward(dy, x):
    """Backward of rmsnorm: dy [T, n], x [T, n] -> dx [T, n].

    >>> dx = rmsnorm_backward([[1.0, 0.0, 0.0, 0.0]], x=[[3.0, 4.0, 0.0, 0.0]])
    >>> [[round(dx_ti, 3) for dx_ti in dx_t] for dx_t in dx]
    [[0.256, -0.192, 0.0, 0.0]]
    """
    dx = []
    for dy_t, x_t in pairs(dy, x):
        r = 1 / sqrt(dot(x_t, x_t) / len(x_t) + 1e-5)
        through_r = dot(dy_t, x_t) * r**3 / len(x_t)
        dx.append([r * dy_ti - through_r * x_ti for dy_ti, x_ti in zip(dy_t, x_t)])
    return dx

def squared_relu_backward(dy, x):
    """Backward of squared_relu: dy [T, n], x [T, n] -> dx [T, n]."""
    return [[0.0 if x_ti <= 0 else 2 * x_ti * dy_ti for dy_ti, x_ti in pairs(dy_t, x_t)]
            for dy_t, x_t in pairs(dy, x)]

# %% [markdown]
# ## 10. Back through the model
# Each function goes through its forward from the last line to the first. Comments name the lines.

# %%
def attend_backward(dresult, q, keys, values, weights):
    """Backward of attend, for T = S: dresult [T, D] -> dq, dkeys, dvalues, [T, D] each.

    A key is compared with the query of its own position and of every later one. Each comparison
    adds to its slope, so the slope is complete only after the last position.
    """
    scale = 1 / sqrt(len(q[0]))
    dweights, dvalues = mix_backward(dresult, weights, values)  # result = mix(weights, values)
    dscores = softmax_backward(dweights, weights)  # weights = softmax(scores); 0 where masked
    dproducts = [[scale * dscore for dscore in dscores_t] for dscores_t in dscores]  # [T, S]
    dq, dkeys = linear_backward(dproducts, q, keys)  # dot(q_t, key), for all t: linear(q, keys)
    return dq, dkeys, dvalues

def attention_backward(dy, layer, trace):
    """Backward of attention, from an empty cache: dy [T, C] -> dx [T, C], dwq, dwk, dwv, dwo."""
    djoined, dwo = linear_backward(dy, trace.joined, layer.wo)  # y = linear(joined, layer.wo)
    dq, dk, dv = [], [], []
    for h, dresult in enumerate(split_heads(djoined, len(trace.q))):  # joined = join_heads(results)
        q, k, v, weights = trace.q[h], trace.k[h], trace.v[h], trace.weights[h]
        dq_h, dk_h, dv_h = attend_backward(dresult, q, k, v, weights)  # attend(q[h], k[h], v[h])
        dq.append(dq_h)
        dk.append(dk_h)
        dv.append(dv_h)
    dx_q, dwq = linear_backward(join_heads(dq), trace.x, layer.wq)  # q = split_heads(linear(x, wq))
    dx_k, dwk = linear_backward(join_heads(dk), trace.x, layer.wk)  # keys: linear(x, wk)
    dx_v, dwv = linear_backward(join_heads(dv), trace.x, layer.wv)  # values: linear(x, wv)
    return add(add(dx_q, dx_k), dx_v), dwq, dwk, dwv, dwo  # x acts by three paths

def feed_forward_backward(dy, layer, trace):
    """Backward of feed_forward: dy [T, C] -> dx [T, C], dfc1, dfc2 [4C, C]."""
    dhidden, dfc2 = mix_backward(dy, trace.hidden, layer.fc2)  # y = mix(hidden, layer.fc2)
    dmatches = squared_relu_backward(dhidden, trace.matches)  # hidden = squared_relu(matches)
    # matches = linear(x, layer.fc1), but two thirds of dmatches are 0, which mix leaves out:
    return mix(dmatches, layer.fc1), mix(transpose(dmatches), trace.x), dfc2

# %%
def backward(model, tokens, dlogits, trace):
    """Backward of forward, from an empty cache: T ids, dlogits [T, V] -> dmodel, the gradient.

    It is a Model, too: dmodel.wte[i][j] is the slope for model.wte[i][j].
    """
    dx, dwte = linear_backward(dlogits, trace.x, model.wte)  # logits = linear(x, model.wte)
    dlayers = []
    for layer, kept in zip(reversed(model.layers), reversed(trace.layers)):
        # x = add(middle, y), where y = feed_forward(rmsnorm(middle)): two paths from middle
        dnormed, dfc1, dfc2 = feed_forward_backward(dx, layer, kept.feed_forward)
        dmiddle = add(dx, rmsnorm_backward(dnormed, kept.middle))
        # middle = add(x, y), where y = attention(rmsnorm(x)): two paths from x
        dnormed, dwq, dwk, dwv, dwo = attention_backward(dmiddle, layer, kept.attention)
        dx = add(dmiddle, rmsnorm_backward(dnormed, kept.x))
        dlayers.insert(0, Layer(dwq, dwk, dwv, dwo, dfc1, dfc2))
    for token, dx_t in pairs(tokens, dx):  # x = add(rows of wte, rows of wpe): wte was used twice
        dwte[token] = [a + b for a, b in pairs(dwte[token], dx_t)]
    dwpe = dx + [[0.0] * len(row) for row in model.wpe[len(dx) :]]  # places beyond the name: 0
    return Model(model.n_head, dwte, dwpe, dlayers)

def loss_and_gradient(model, tokens):
    """One name forward and back: T+1 ids -> loss (a number), dmodel (a Model)."""
    inputs, targets = tokens[:-1], tokens[1:]
    logits, trace = forward(model, inputs, new_cache(model))
    loss, probs = cross_entropy(logits, targets)
    dlogits = cross_entropy_backward(probs, targets)
    return loss, backward(model, inputs, dlogits, trace)

# %% [markdown]
# Here is the other reason for residual connections: x + f(x) has the slope 1 + f′. The 1 hands
# slopes back as they are, through any number of layers. Without it they would be products of many
# f′, and could fade to nothing.
#
# ## 11. Is all this right?
# Nobody needs to take two sections of derivatives on trust. Nudge a parameter, and see whether the
# loss changes as its slope says. Do so with every parameter, and again after each change of yours.
# (In PyTorch, sections 9 and 10 are one line, `loss.backward()`: it records each operation as it
# runs, and knows the backward of each.)

# %%
def check_gradient(model, tokens, nudge=1e-6):
    """The largest difference between a slope and what nudges show: T+1 ids -> a number.

    This model has two layers, and random numbers even where training starts with 0. A difference
    below 1e-8 is all rounding:

    >>> rng, tokens = Xoshiro(seed=7), [0, 4, 5, 5, 2, 1]
    >>> model = init_model(Settings(n_embd=4, n_head=2, n_layer=2, block_size=6), 6, rng)
    >>> for w in matrices(model):
    ...     w[:] = [[rng.normal(sigma=0.5) for _ in row] for row in w]
    >>> check_gradient(model, tokens) < 1e-8
    True

    All tokens at once, as in training, and one by one, as in writing, have equal logits:

    >>> logits, _ = forward(model, tokens, new_cache(model))
    >>> cache = new_cache(model)
    >>> [forward(model, [token], cache)[0][0] for token in tokens] == logits
    True
    """
    def loss():
        logits, _ = forward(model, tokens[:-1], new_cache(model))
        return cross_entropy(logits, tokens[1:])[0]

    _, dmodel = loss_and_gradient(model, tokens)
    largest = 0.0
    for w, dw in pairs(matrices(model), matrices(dmodel)):
        for row, drow in pairs(w, dw):
            for j, value in enumerate(row):
                row[j] = value + nudge
                above = loss()
                row[j] = value - nudge
                below = loss()
                row[j] = value
                largest = max(largest, abs((above - below) / (2 * nudge) - drow[j]))
    return largest

# %% [markdown]
# ## 12. Where to start, and why not at 0
# Parameters start at random: two hidden units that started with the same rows, in fc1 and in fc2,
# would get the same slopes and stay the same forever. They start small, so that all tokens are
# about equally likely: the first loss is nearly ln 27.
#
# `wo` and `fc2` start at 0, so that at first no layer adds anything to x. (At this size, that makes
# no sure difference.) How can they leave 0? Take y = fc2 · h with h = fc1 · x, single numbers. Then
# dfc2 = dy · h, which is not 0, and dfc1 = dy · fc2 · x, which is 0 in step 0 only, since fc2 then
# moves. If fc1 were 0 too, so would be h and both slopes, in every step: fc1 and fc2 would never
# move. wo plays the part of fc2, and wv that of fc1. (wq and wk, too, have slope 0 in step 0 only.)
#
# ## 13. Adam
# How far should a parameter move against its slope g? Slopes are noisy, as each comes from one
# name, and of very different sizes. Adam (Kingma and Ba 2015, Algorithm 1) keeps two averages for
# each parameter, of g and of g², and changes the parameter by
#
#     -lr · average(g) / (√average(g²) + 1e-8)          1e-8 prevents 0 / 0
#
# If g stays the same, the quotient is ±1 and the step lr long, however large g is. If g keeps
# changing sign, it cancels in the average of g but not of g²: a short step. Both averages forget:
# the newest g has the weight 1, the one before it β, then β², and so on, with β a little below 1.
# With β = 0.9, the average of 3, then 5, is (0.9 · 3 + 5) / (0.9 + 1). In general, it is total / n:
#
#     total = β · total + g                 in every step; total starts at 0
#     n     = 1 + β + β² + … + β^step       the sum of the weights
#           = (1 - β^(step+1)) / (1 - β)
#
# (Dividing by n includes the paper's bias correction.) The learning rate lr falls to 0 in a
# straight line, so that the parameters settle in the end, despite the noise.

# %%
class Adam:
    """The two totals for each parameter of a model, and the update that uses them.

    Two steps of one parameter by hand; lr is 0.01, then 0.005; n is 1, then 1 + β:

    >>> model = Model(1, wte=[[1.0]], wpe=[], layers=[])
    >>> adam = Adam(model, Settings(steps=2))
    >>> adam.update(model, Model(1, wte=[[3.0]], wpe=[], layers=[]), step=0)
    >>> adam.update(model, Model(1, wte=[[0.0]], wpe=[], layers=[]), step=1)
    >>> round(model.wte[0][0], 6)  # 1 - 0.01 · 3/√9 - 0.005 · (0.9 · 3/1.9) / √(0.95 · 9/1.95)
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
# ## 14. Training
# One name, one small step, 5,000 times. Names are taken in the order of the list, again and again.
# Of a name with more than 8 letters, the first 8 are taught. One with 8, such as penelope, has no
# room for its `<EOS>`. (Versions of Python before 3.12, and PyPy, round sums differently. So the
# run at the top, from CPython 3.13, looks different there after about 1,000 steps.)

# %%
def training_tokens(name, vocabulary, block_size):
    """The ids of a name with its marks, cut to block_size inputs and the target of the last one.

    >>> [training_tokens("emma", Vocabulary(NAMES), block_size) for block_size in (8, 3)]
    [[0, 6, 14, 14, 2, 1], [0, 6, 14, 14]]
    """
    return [BOS, *vocabulary.encode(name), EOS][: block_size + 1]

def train(model, documents, vocabulary, rng, settings):
    """Train the model in place. Every 500 steps and at the end, print the mean loss since the line
    before, and five samples. Raises FloatingPointError if a loss is not finite.

    >>> rng = Xoshiro(Settings().seed)
    >>> model = init_model(Settings(), 27, rng)
    >>> train(model, NAMES, Vocabulary(NAMES), rng, Settings(steps=1))  # doctest: +ELLIPSIS
    microgpt  vocab=27  params=3632  layers=1  embd=16  heads=4...
    step     0  loss=3.2943  | m<BOS>kv<BOS>tpl  kygocwfv  vydcdhlm  kyagrgna  jshozhxr
    Done in ...
    """
    start, block_size = perf_counter(), len(model.wpe)
    print(model)
    print(f"Training {settings.steps} steps on {len(documents)} names")
    n_cut = sum(len(name) > block_size for name in documents)
    if n_cut:
        print(f"{n_cut} of them have more than {block_size} characters and are cut")
    print(flush=True)
    adam, losses = Adam(model, settings), []
    for step in range(settings.steps):
        tokens = training_tokens(documents[step % len(documents)], vocabulary, block_size)
        loss, dmodel = loss_and_gradient(model, tokens)
        if not isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at step {step}; try a smaller lr")
        adam.update(model, dmodel, step)
        losses.append(loss)
        if step % 500 == 0 or step == settings.steps - 1:
            mean, losses = sum(losses) / len(losses), []
            samples = [generate(model, vocabulary, rng) for _ in range(5)]
            print(f"step {step:5d}  loss={mean:.4f}  | {'  '.join(samples)}", flush=True)
    print(f"Done in {perf_counter() - start:.3f}s")

# %% [markdown]
# ## 15. What it has learned, and what it has not
# How low can the loss go? Not to 0, because nothing says which name will come. A model that knew
# the list by heart, and nothing else, would give each name a probability of 1/92. The surprises of
# emma's five tokens would add up to ln 92 = 4.52, with a mean of 0.90. In a longer name, more
# tokens share the 4.52. The mean over the list is 0.81, and no model can do much better. Over 15
# seeds, this one gets to 0.89 on average, and 73% of its samples are in the list. When each
# position sees only itself, it stays at 1.49. With attention, a head that can choose among four
# positions or more gives 76% of its weight to one.
#
# So the model knows its list nearly by heart. No wonder: 3,632 parameters for 530 guesses. What it
# does not know is what names are like. On names kept out of the list, its loss falls at first, then
# rises to about 7, far worse than blind guessing, as it grows sure of letters that do not come.
# This is overfitting. Stopping after about 500 steps would help, and so would more names. Taught
# 5,000 of the 32,033 names of Karpathy's makemore, once each, with `--block-size 12`, it predicts
# unseen names nearly as well as those that it was taught, better than a table of letter pairs and
# not as well as one of triples. It invents reulen, hedya and kaemy. (All this was measured by the
# programs in tests/figures.)
#
# How does ChatGPT differ? First, in size. GPT-3, whose sizes were published, has 50,257 tokens
# (pieces of words), vectors of 12,288 numbers, 96 layers and 175 billion parameters, and learned
# from 300 billion tokens of text, many texts a step. Your question is the `start`, called a prompt,
# and the answer is written as here, token by token. Second, to answer and not just go on asking, it
# is trained further, on conversations, and then towards answers that people preferred. (Compared
# with GPT-2, this file has squared ReLU for GELU, rmsnorm without gain for layer norm, no norm at
# the end, no biases, no dropout, two marks instead of one, and `wo` and `fc2` that start at 0.)
#
# Try: `look_inside(model, vocabulary, "ella")`; two layers (`--n-layer 2`); your own list
# (`--data`). And break something: with `r**2` for `r**3` in rmsnorm_backward,
# `check_gradient(model, [0, 6, 14, 14, 2, 1])` rises from below 1e-8 to above 0.001.

# %% [markdown]
# # Part three: files and flags
#
# ## 16. The run
# Nothing here is about GPTs. The last cell runs it all, and leaves `model`, `vocabulary` and `rng`
# for a notebook's next cell, or for the prompt of `python -i microgpt.py`.

# %%
import argparse
import signal
import sys
from pathlib import Path

FILE = Path(globals().get("__file__", "microgpt.py")).resolve()  # a notebook has no __file__

def check(settings):
    """Raise ValueError for a setting that makes no sense."""
    for name in ("n_embd", "n_head", "n_layer", "block_size", "steps"):
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} must be 1 or more, not {getattr(settings, name)}")
    if settings.n_embd % settings.n_head:
        raise ValueError(f"n_embd {settings.n_embd} is not a multiple of n_head {settings.n_head}")
    if not 0 < settings.lr < inf:
        raise ValueError(f"lr must be positive and finite, not {settings.lr}")
    for name in ("beta1", "beta2"):
        if not 0 <= getattr(settings, name) < 1:
            raise ValueError(f"{name} must be from 0 to below 1, not {getattr(settings, name)}")
    if not 0 <= settings.seed < 2**64:
        raise ValueError(f"seed must be from 0 to 2**64 - 1, not {settings.seed}")

def read_documents(path):
    """The lines of a UTF-8 text file, stripped, without blank ones: a list of str.

    Raises OSError if the file can't be read, ValueError if it is not UTF-8 text or has no names.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is not UTF-8 text: {error.reason}") from None
    if "\0" in text:
        raise ValueError(f"{str(path)!r} has NUL characters in it; save it as UTF-8 text")
    documents = [line.strip() for line in text.splitlines() if line.strip()]
    if not documents:
        raise ValueError(f"{str(path)!r} has no names in it")
    return documents

# %%
def prepare(settings):
    """The settings, checked, and their documents. Raises ValueError or OSError."""
    check(settings)
    default = FILE.with_name("names.txt")
    if settings.data is None and not default.exists():
        return settings, NAMES
    return settings, read_documents(default if settings.data is None else settings.data)

def from_flags(arguments):
    """Settings and documents as flags say. A bad flag, value or file ends the program, status 2."""
    parser = argparse.ArgumentParser(
        prog="microgpt.py", usage="%(prog)s [-h] [--flag value ...]", allow_abbrev=False,
        description="Train a small GPT on a list of names, and print what it invents.")
    for f in fields(Settings):
        meaning = f.metadata["meaning"] + ("" if f.default is None else f" (default: {f.default})")
        parser.add_argument("--" + f.name.replace("_", "-"), type=f.type, default=f.default,
                            metavar="value", help=meaning.replace("%", "%%"))
    try:
        return prepare(Settings(**vars(parser.parse_args(arguments))))
    except (ValueError, OSError) as error:
        parser.error(str(error))

# %%
if __name__ == "__main__":
    is_script = Path(sys.argv[0]).resolve() == FILE  # a notebook's arguments are its kernel's own
    at_prompt = not is_script or sys.flags.inspect or hasattr(sys, "ps1")
    if is_script and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a ? for a letter that the terminal can't show
    if not at_prompt and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so `| head` ends it without a word
    settings, documents = from_flags(sys.argv[1:]) if is_script else prepare(Settings())
    try:
        vocabulary = Vocabulary(documents)
        rng = Xoshiro(settings.seed)
        model = init_model(settings, len(vocabulary.tokens), rng)
        train(model, documents, vocabulary, rng, settings)
    except (KeyboardInterrupt, FloatingPointError) as stop:
        print("microgpt:", str(stop) or "stopped", file=sys.stderr)
        if not at_prompt:
            sys.exit(130 if isinstance(stop, KeyboardInterrupt) else 1)
    if at_prompt:
        print(f"Try: generate(model, vocabulary, rng, start={documents[0][0]!r})")
