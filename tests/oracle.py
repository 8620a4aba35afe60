"""The same GPT by scalar automatic differentiation: the judge of every gradient, and the yardstick.

Each number is a node that remembers which nodes it came from and the slope with respect to each of
them, in the manner of Karpathy's micrograd and microgpt.py. Nothing here is derived by hand beyond
the slope of +, *, power, exp, log and relu, and nothing is imported from microgpt.py.
"""
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

    __radd__ = __add__
    __rmul__ = __mul__

    def backward(self):
        """Fill `grad` of every number that this one depends on with d(self)/d(that number)."""
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            node, inputs_done = stack.pop()
            if inputs_done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((child, False) for child in node.inputs)
        self.grad = 1.0
        for node in reversed(order):
            for child, slope in zip(node.inputs, node.slopes):
                child.grad += slope * node.grad


def scalars(matrix):
    """A matrix of floats as a matrix of Scalars."""
    return [[Scalar(value) for value in row] for row in matrix]


def linear(w, x):
    return [sum((wi * xi for wi, xi in zip(row[1:], x[1:])), row[0] * x[0]) for row in w]


def softmax(xs):
    top = max(x.data for x in xs)
    exps = [(x - top).exp() for x in xs]
    total = sum(exps[1:], exps[0])
    return [e / total for e in exps]


def rmsnorm(x):
    mean_square = sum((xi * xi for xi in x[1:]), x[0] * x[0]) * (1 / len(x))
    scale = (mean_square + 1e-5) ** -0.5
    return [xi * scale for xi in x]


class Oracle:
    """The model on Scalars. Each layer is a dict of wq, wk, wv, wo, fc1 [4C, C] and fc2 [C, 4C]."""

    def __init__(self, n_head, wte, wpe, layers):
        self.n_head = n_head
        self.wte, self.wpe = scalars(wte), scalars(wpe)
        self.layers = [{name: scalars(w) for name, w in layer.items()} for layer in layers]

    def parameters(self):
        matrices = [self.wte, self.wpe]
        for layer in self.layers:
            matrices += layer.values()
        return [p for matrix in matrices for row in matrix for p in row]

    def attention(self, layer, xs):
        """Causal multi-head attention over a whole sequence at once: xs [T, C] -> [T, C]."""
        qs, ks, vs = ([linear(layer[name], x) for x in xs] for name in ("wq", "wk", "wv"))
        size = len(xs[0]) // self.n_head
        outputs = []
        for t, q in enumerate(qs):
            out = []
            for start in range(0, len(q), size):
                part = slice(start, start + size)
                scores = [linear([k[part]], q[part])[0] * size**-0.5 for k in ks[: t + 1]]
                weights = softmax(scores)
                columns = zip(*(v[part] for v in vs[: t + 1]))
                out += [linear([weights], column)[0] for column in columns]
            outputs.append(linear(layer["wo"], out))
        return outputs

    def logits(self, tokens):
        """tokens [T] -> logits [T, V], every position computed together, without a cache."""
        xs = [[a + b for a, b in zip(self.wte[token], self.wpe[position])]
              for position, token in enumerate(tokens)]
        for layer in self.layers:
            updates = self.attention(layer, [rmsnorm(x) for x in xs])
            xs = [[a + b for a, b in zip(x, u)] for x, u in zip(xs, updates)]
            for t, x in enumerate(xs):
                hidden = [h.relu() ** 2 for h in linear(layer["fc1"], rmsnorm(x))]
                xs[t] = [a + b for a, b in zip(x, linear(layer["fc2"], hidden))]
        return [linear(self.wte, x) for x in xs]

    def loss(self, tokens):
        """Mean of -ln p(next token) over the sequence, as a Scalar."""
        losses = [-softmax(row)[target].log()
                  for row, target in zip(self.logits(tokens[:-1]), tokens[1:])]
        return sum(losses[1:], losses[0]) * (1 / len(losses))


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
