"""How the model TRAINED writes dyliel: what it expects, what it draws, where its heads look.

    python -m tests.figures.writing --save    writing.svg, in less than a second

A bar has the chances of all tokens, <EOS> first, then a to z. The triangle is the random number
that draws one of them, as `Xoshiro.choice` does. Without --save, the picture is printed.
"""
from copy import deepcopy

import microgpt
from tests.figures.common import FOLDER, Picture, new_parser, run

SEED, NTH = 7, 10  # dyliel is the tenth name that is written from this seed
LEFT, WIDTH, HEIGHT = 92, 420, 28  # of a bar


def picture():
    """A bar of chances for each token drawn, and below it a triangle of weights for each head."""
    vocabulary, rng = microgpt.Vocabulary(microgpt.NAMES), microgpt.Xoshiro(SEED)
    model = microgpt.load(microgpt.TRAINED, microgpt.Settings(), len(vocabulary.tokens))
    for _ in range(NTH):
        numbers = deepcopy(rng)  # which draws what rng draws now
        name = microgpt.generate(model, vocabulary, rng)
    ids = microgpt.training_tokens(name, vocabulary, len(model.wpe))
    logits, trace = microgpt.forward(model, ids[:-1], microgpt.new_cache(model))
    tokens = [vocabulary.tokens[i] for i in ids]
    middle = 66 + 44 * len(tokens)
    news = "" if name in microgpt.NAMES else ", which is not in its list"
    drawing = Picture(640, middle + 274, f"How it writes {name}{news}",
                      f"The chances of each next letter of {name}, and where four heads looked.")
    words = "Bars: its chances for the next letter. Triangles: chance, which draws one"
    drawing.text(20, 66, words, "soft")
    for t, probs in enumerate(microgpt.softmax(logits)):
        y, dart = 100 + 44 * t, LEFT + WIDTH * numbers.draw() / (2**32 - 1)
        drawing.text(LEFT - 10, y + 20, "".join(tokens[1 : t + 1]) or tokens[0], "ink mono", "end")
        draw_bar(drawing, y, zip(vocabulary.tokens, probs), tokens[t + 1])
        drawing.area([(dart - 6, y - 11), (dart + 6, y - 11), (dart, y - 1)], "ink")
        drawing.text(LEFT + WIDTH + 10, y + 20, tokens[t + 1], "orange bold mono")
        drawing.text(620, y + 20, f"{probs[ids[t + 1]]:.0%}", "orange", "end")
    drawing.text(20, middle + 32, "Where its four heads looked", "ink title")
    drawing.text(20, middle + 60, "Rows look at columns. The stronger the blue, the more attention",
                 "soft")
    for h, weights in enumerate(trace.layers[0].attention.weights):
        draw_head(drawing, 72 + 142 * h, middle + 126, h, weights, tokens)
    return str(drawing)


def draw_bar(drawing, y, chances, drawn):
    """The chances of tokens from left to right, and which one was drawn."""
    x = LEFT
    for i, (token, chance) in enumerate(chances):
        bar, label, more = "orange", "paper bold", ""
        if token != drawn:
            bar, label, more = "blue", "ink", f' fill-opacity="{0.3 if i % 2 else 0.16}"'
        width = WIDTH * chance
        if width >= 0.5:
            drawing.box(x, y, width, HEIGHT, bar, more)
        if width > 4 + 10 * len(token):
            drawing.text(x + width / 2, y + 20, token, f"{label} mono small", "middle")
        x += width


def draw_head(drawing, left, top, h, weights, tokens):
    """The weights of a head, with a row for each position that looks."""
    size = 120 / len(weights)
    drawing.text(left + 60, top + 138, f"head {h}", "soft", "middle")
    for t, weights_t in enumerate(weights):
        x, y = left + size * t, top + size * t
        if h == 0:
            drawing.text(left - 8, y + size / 2 + 4, tokens[t], "ink mono small", "end")
        if t == 0:  # <BOS> is long
            drawing.text(x + size / 2 + 4, top - 6, tokens[t], "ink mono small", "start",
                         f' transform="rotate(-90 {x + size / 2 + 4:.1f} {top - 6})"')
        else:
            drawing.text(x + size / 2, top - 6, tokens[t], "ink mono small", "middle")
        for s, weight in enumerate(weights_t[: t + 1]):
            drawing.box(left + size * s, y, size - 2, size - 2, "blue",
                        f' fill-opacity="{0.07 + 0.93 * weight:.2f}"')


def main(arguments):
    """Print or write the picture."""
    if new_parser("writing", __doc__, save=True).parse_args(arguments).save:
        FOLDER.joinpath("writing.svg").write_text(picture(), encoding="utf-8")
    else:
        print(picture(), end="")


if __name__ == "__main__":
    run(main)
