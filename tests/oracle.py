"""The same GPT by scalar automatic differentiation: the judge of every number and every gradient.

Each number is a node that remembers which nodes it came from and the slope with respect to each of
them, in the manner of Karpathy's micrograd. Nothing here is derived by hand beyond the slope of +,
*, power, exp, log and relu. Nothing is imported from microgpt.py: a model is anything with n_head,
wte, wpe and layers, a layer anything with wq, wk, wv, wo, fc1 and fc2, all of them rows of Scalars.
"""
import gc
import math


class Scalar:
    """A number, the numbers it was computed from, and the slope with respect to each of them."""

    __slots__ = ("data", "grad", "inputs", "slopes")

    def __init__(self, data, inputs=(), slopes=()):
        self.data = data
        self.grad = 0.0
        self.inputs = inputs
        self.slopes = slopes

    def __add__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        return Scalar(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent):
        slope = exponent * self.data ** (exponent - 1)
        return Scalar(self.data**exponent, (self,), (slope,))

    def exp(self):
        value = math.exp(self.data)
        return Scalar(value, (self,), (value,))

    def log(self):
        return Scalar(math.log(self.data), (self,), (1 / self.data,))

    def relu(self):
        return Scalar(max(0.0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + (-other)

    def __truediv__(self, other):
        return self * other**-1

    def backward(self):
        """Fill `grad` of every number that this one depends on with d(self)/d(that number)."""
        uses, stack = {}, [self]
        while stack:
            for node in stack.pop().inputs:
                if node not in uses:
                    uses[node] = 0
                    stack.append(node)
                uses[node] += 1
        self.grad, stack = 1.0, [self]
        while stack:
            node = stack.pop()  # its slope is complete, as all that it was used for had its turn
            for child, slope in zip(node.inputs, node.slopes):
                child.grad += slope * node.grad
                uses[child] -= 1
                if not uses[child]:
                    stack.append(child)


def total(numbers):
    """The sum of one number or more."""
    first, *others = numbers
    return sum(others, first)


def product(a, b):
    """The dot product of two vectors."""
    return total(a_i * b_i for a_i, b_i in zip(a, b))


def linear(x, w):
    return [[product(w_i, x_t) for w_i in w] for x_t in x]


def mix(weights, rows):
    return [[product(weights_t, column) for column in zip(*rows)] for weights_t in weights]


def add(a, b):
    return [[a_ti + b_ti for a_ti, b_ti in zip(a_t, b_t)] for a_t, b_t in zip(a, b)]


def softmax(x):
    y = []
    for x_t in x:
        top = max(x_ti.data for x_ti in x_t)
        exps = [(x_ti - top).exp() for x_ti in x_t]
        whole = total(exps)
        y.append([e / whole for e in exps])
    return y


def rmsnorm(x):
    y = []
    for x_t in x:
        scale = (product(x_t, x_t) * (1 / len(x_t)) + 1e-5) ** -0.5
        y.append([x_ti * scale for x_ti in x_t])
    return y


def squared_relu(x):
    return [[x_ti.relu() ** 2 for x_ti in x_t] for x_t in x]


def attend(q, keys, values):
    """One head: the last T of S positions ask, and see all before them and themselves."""
    result = []
    for seen, q_t in enumerate(q, start=len(keys) - len(q) + 1):
        scores = [product(q_t, key) * len(q_t) ** -0.5 for key in keys[:seen]]
        result += mix(softmax([scores]), values[:seen])
    return result


def attention(x, wq, wk, wv, wo, n_head):
    """All heads, each with its part of every query, key and value."""
    q, k, v = (linear(x, w) for w in (wq, wk, wv))
    size = len(wq) // n_head
    joined = [[] for _ in x]
    for start in range(0, len(wq), size):
        parts = ([row[start : start + size] for row in rows] for rows in (q, k, v))
        joined = [row + result for row, result in zip(joined, attend(*parts))]
    return linear(joined, wo)


def feed_forward(x, fc1, fc2):
    return mix(squared_relu(linear(x, fc1)), fc2)


def cross_entropy(logits, targets):
    """The mean of -ln p(target)."""
    losses = [-p[target].log() for p, target in zip(softmax(logits), targets)]
    return total(losses) * (1 / len(losses))


def logits(model, tokens):
    """T ids -> [T, V], every position together, without a cache."""
    x = add([model.wte[token] for token in tokens], model.wpe)
    for layer in model.layers:
        matrices = layer.wq, layer.wk, layer.wv, layer.wo
        x = add(x, attention(rmsnorm(x), *matrices, model.n_head))
        x = add(x, feed_forward(rmsnorm(x), layer.fc1, layer.fc2))
    return linear(x, model.wte)


def loss(model, tokens):
    """The loss on T+1 ids, as a Scalar, whose `backward` has been called."""
    collecting = gc.isenabled()
    gc.disable()  # a hundred thousand nodes and no garbage among them: half the time
    try:
        value = cross_entropy(logits(model, tokens[:-1]), tokens[1:])
        value.backward()
    finally:
        if collecting:
            gc.enable()
    return value


class TextbookAdam:
    """Adam exactly as Algorithm 1 of Kingma and Ba (2015), one parameter at a time."""

    def __init__(self, parameters, lr, beta1, beta2, steps):
        self.parameters = parameters
        self.lr, self.beta1, self.beta2, self.steps = lr, beta1, beta2, steps
        self.m = [0.0] * len(parameters)
        self.v = [0.0] * len(parameters)

    def update(self, step):
        """One step down the gradients now in the parameters, which it then clears."""
        lr = self.lr * (1 - step / self.steps)
        for i, p in enumerate(self.parameters):
            self.m[i] = self.beta1 * self.m[i] + (1 - self.beta1) * p.grad
            self.v[i] = self.beta2 * self.v[i] + (1 - self.beta2) * p.grad**2
            m_hat = self.m[i] / (1 - self.beta1 ** (step + 1))
            v_hat = self.v[i] / (1 - self.beta2 ** (step + 1))
            p.data -= lr * m_hat / (v_hat**0.5 + 1e-8)
            p.grad = 0.0
