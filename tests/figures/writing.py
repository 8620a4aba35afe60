"""How the model TRAINED writes one name: what it expects, what it draws, where its heads look.

    python -m tests.figures.writing                      dyliel: less than a second
    python -m tests.figures.writing --save               writing.svg, the same as a picture
    python -m tests.figures.writing --seed 3 --nth 5     the fifth name that `generate` writes, with
                                                         a generator of this seed

In the picture, a bar has the chances of all tokens, <EOS> first, then a to z. The triangle is the
random number that draws one of them, as `Xoshiro.choice` does.
"""
from copy import deepcopy
from types import SimpleNamespace as Step

import microgpt
from tests.figures.common import Picture, new_parser, print_table, run, save


def nth_name(seed, nth):
    """What `write` says of the nth name by TRAINED and a generator of this seed; all tokens."""
    vocabulary, rng = microgpt.Vocabulary(microgpt.NAMES), microgpt.Xoshiro(seed)
    model = microgpt.load(microgpt.TRAINED, microgpt.Settings(), len(vocabulary.tokens))
    for _ in range(nth):
        steps = write(model, vocabulary, rng)
    return steps, vocabulary.tokens


def write(model, vocabulary, rng):
    """Write a name as `generate` does. For each token: what came before, all chances, the random
    number from 0 to 1 that drew it, its id, and the weights [H, t] of the heads."""
    steps, tokens, cache = [], [microgpt.BOS], microgpt.new_cache(model)
    while len(tokens) <= len(model.wpe) and tokens[-1] != microgpt.EOS:
        logits, trace = microgpt.forward(model, tokens[-1:], cache)
        [probs] = microgpt.softmax(logits)
        dart = deepcopy(rng).draw() / (2**32 - 1)
        seen = [vocabulary.tokens[token] for token in tokens]
        tokens.append(rng.choice(probs))
        steps.append(Step(seen=seen, probs=probs, dart=dart, drawn=tokens[-1],
                          heads=[head[0] for head in trace.layers[0].attention.weights]))
    return steps


def picture(steps, tokens):
    """A bar of chances for each token drawn, and below it a triangle of weights for each head."""
    name = "".join(tokens[step.drawn] for step in steps).replace("<EOS>", "")
    news = "" if name in microgpt.NAMES else ", which is not in its list"
    middle, size = 110 + 44 * len(steps), 120 / len(steps)
    drawing = Picture(640, middle + 274, f"How it writes {name}{news}",
                      f"The chances of each next letter of {name}, and where four heads looked.")
    words = "Bars: its chances for the next letter. Triangles: chance, which draws one"
    drawing.text(20, 66, words, "soft")
    for i, step in enumerate(steps):
        draw_bar(drawing, 100 + 44 * i, step, tokens)
    drawing.text(20, middle + 32, "Where its four heads looked", "ink title")
    drawing.text(20, middle + 60, "Rows look at columns. The stronger the blue, the more attention",
                 "soft")
    for h in range(len(steps[0].heads)):
        left, top = 72 + 142 * h, middle + 126
        drawing.text(left + 60, top + 138, f"head {h}", "soft", "middle")
        for row, step in enumerate(steps):
            x, y, label = left + size * row, top + size * row, step.seen[-1]
            if h == 0:
                drawing.text(left - 8, y + size / 2 + 4, label, "ink mono small", "end")
            turn = f' transform="rotate(-90 {x + size / 2 + 4:.1f} {top - 6})"'
            drawing.text(x + size / 2 + (4 if row == 0 else 0), top - 6, label, "ink mono small",
                         "start" if row == 0 else "middle", turn if row == 0 else "")
            for column, weight in enumerate(step.heads[h]):
                drawing.box(left + size * column, y, size - 2, size - 2, "blue",
                            f' fill-opacity="{0.07 + 0.93 * weight:.2f}"')
    return str(drawing)


def draw_bar(drawing, y, step, tokens):
    """What came before, the chances from left to right, and what was drawn."""
    left, width, height = 92, 420, 28
    before = "".join(step.seen[1:]) or step.seen[0]
    drawing.text(left - 10, y + 20, before, "ink mono", "end")
    x = left
    for token, chance in enumerate(step.probs):
        kind = "orange" if token == step.drawn else "blue"
        more = "" if token == step.drawn else f' fill-opacity="{0.3 if token % 2 else 0.16}"'
        if width * chance >= 0.5:
            drawing.box(x, y, width * chance, height, kind, more)
        label = tokens[token]
        if width * chance > 4 + 10 * len(label):
            drawing.text(x + width * chance / 2, y + 20, label,
                         f"{'paper bold' if token == step.drawn else 'ink'} mono small", "middle")
        x += width * chance
    dart = left + width * step.dart
    drawing.area([(dart - 6, y - 11), (dart + 6, y - 11), (dart, y - 1)], "ink")
    drawing.text(left + width + 10, y + 20, tokens[step.drawn], "orange bold mono")
    drawing.text(620, y + 20, f"{step.probs[step.drawn]:.0%}", "orange", "end")


def main(arguments):
    """Write a name, and print how."""
    parser = new_parser("writing", __doc__, flags=False, seed=(7, "of the generator"),
                        nth=(10, "which of its names"))
    parser.add_argument("--save", action="store_true", help="write writing.svg")
    own = parser.parse_args(arguments)
    steps, tokens = nth_name(own.seed, own.nth)
    rows = []
    for step in steps:
        likeliest = sorted(range(len(tokens)), key=lambda i: -step.probs[i])[:4]
        expected = [f"{tokens[i]} {step.probs[i]:.0%}" for i in likeliest if step.probs[i] > 0.005]
        looked = [f"{step.seen[head.index(max(head))]} {max(head):.0%}" for head in step.heads]
        rows.append(("".join(step.seen), ", ".join(expected), tokens[step.drawn], *looked))
    heads = [f"head {h} looked at" for h in range(len(steps[0].heads))]
    print_table(["so far", "expected", "drew", *heads], rows)
    if own.save:
        save("writing", picture(steps, tokens))


if __name__ == "__main__":
    run(main)
