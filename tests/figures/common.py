"""What the programs in this folder share: a model in training, jobs on all cores, flags, SVG."""
import argparse
import json
import platform
import signal
import sys
from html import escape
from multiprocessing import Pool, Value
from pathlib import Path
from statistics import mean
from time import perf_counter

import microgpt

FOLDER = Path(__file__).parent
MEANINGS = {
    "seeds": "train with the seeds 1 to this",
    "every": "steps from row to row",
    "samples": "samples of each trained model",
    "turns": "how often both take turns",
    "warm_up": "our steps before the comparison",
}
steps_done = None  # in a worker of in_parallel: the training steps that all workers have done


class Learner:
    """A model in training, and what it needs."""

    def __init__(self, settings, names):
        self.settings = settings
        self.vocabulary = microgpt.Vocabulary(names)
        self.rng = microgpt.Xoshiro(settings.seed)
        self.model = microgpt.init_model(settings, len(self.vocabulary.tokens), self.rng)
        self.adam = microgpt.Adam(self.model, settings)
        self.sequences = [microgpt.training_tokens(name, self.vocabulary, settings.block_size)
                          for name in names]
        self.known = {name[: settings.block_size] for name in names}  # as it can write them

    def train(self, sequences, every=1):
        """Train, one sequence a step. Yield how many steps are done: 0, every so many, and all."""
        for step in range(self.settings.steps):
            if step % every == 0:
                yield step
            _, dmodel = microgpt.loss_and_gradient(self.model, sequences[step % len(sequences)])
            self.adam.update(self.model, dmodel, step)
            if steps_done is not None:
                with steps_done.get_lock():
                    steps_done.value += 1
        yield self.settings.steps

    def mean_loss(self, sequences):
        """The mean over sequences of each one's loss."""
        losses = []
        for ids in sequences:
            logits, _ = microgpt.forward(self.model, ids[:-1], microgpt.new_cache(self.model))
            losses.append(microgpt.cross_entropy(logits, ids[1:])[0])
        return mean(losses)

    def samples(self, count):
        """For each sample: its text, and if it is a name of the list."""
        texts = [microgpt.generate(self.model, self.vocabulary, self.rng) for _ in range(count)]
        return [[text, text in self.known] for text in texts]


def predictions(sequences):
    """For each prediction: what comes before, its target, and its weight in the sequence's loss."""
    for ids in map(tuple, sequences):
        for t in range(1, len(ids)):
            yield ids[:t], ids[t], 1 / (len(ids) - 1)


def start_worker(counter):
    """Let a worker count its training steps where all workers do."""
    global steps_done
    steps_done = counter


def in_parallel(function, jobs, steps):
    """[function(*job) for job in jobs], which train for so many steps in all."""
    start, counter = perf_counter(), Value("q", 0)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # so that workers ignore Ctrl-C
    with Pool(initializer=start_worker, initargs=(counter,)) as pool:
        signal.signal(signal.SIGINT, before)
        results = pool.starmap_async(function, jobs, chunksize=1)
        while not results.ready():
            show_progress(counter.value, steps, "training steps", start)
            results.wait(timeout=1)
        show_progress()
        return results.get()


def show_progress(done=0, total=0, things="", start=0.0):
    """One line on standard error: how much is done, and how long the rest takes at that speed."""
    text = f"{done:,} of {total:,} {things}" if total else ""  # without a total, clear the line
    if done:
        left = (perf_counter() - start) / done * (total - done)
        text += f", about {left:.0f} s left" if left < 100 else f", about {left / 60:.0f} min left"
    print(f"\r{text:60}", end="" if total else "\r", file=sys.stderr, flush=True)


def new_parser(program, text, save=False, **flags):
    """A parser of a program's own flags, with their defaults. Its --help says the text, too."""
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.figures.{program}", description=text, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in flags.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=default, metavar="N",
                            help=f"{MEANINGS[name]} (default: {default})")
    if save:
        parser.add_argument("--save", action="store_true", help="write the picture and its data")
    return parser


def parse(parser, arguments):
    """A program's own flags; and the Settings and the names that flags of microgpt.py say."""
    parser.epilog = "and all flags of microgpt.py: see python microgpt.py --help"
    own, others = parser.parse_known_args(arguments)
    return (own, *microgpt.from_flags(others))


def save(name, picture, data):
    """Write a picture, and the data that it shows, into this folder."""
    FOLDER.joinpath(f"{name}.svg").write_text(picture, encoding="utf-8")
    FOLDER.joinpath(f"{name}.json").write_text(json.dumps(data) + "\n", encoding="utf-8")


def python():
    """The interpreter and its version. PyPy has one of its own beside that of the language."""
    pypy = ".".join(map(str, getattr(sys, "pypy_version_info", ())[:3]))
    language = platform.python_version()
    return f"PyPy {pypy} (Python {language})" if pypy else f"CPython {language}"


def print_table(heads, rows):
    """An empty line, and a table in Markdown."""
    print()
    for cells in (heads, ["---"] * len(heads), *rows):
        print("|", " | ".join(map(str, cells)), "|")


def spread(values):
    """The mean, the least and the most, in four digits after the point."""
    return [round(value, 4) for value in (mean(values), min(values), max(values))]


def cells(values, form):
    """A spread as two cells of a table."""
    middle, low, high = values
    return f"{middle:{form}}", f"{low:{form}} to {high:{form}}"


def run(main):
    """main(arguments), where Ctrl-C ends it with one line, and a closed pipe silently."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout.reconfigure(errors="replace")  # not everything can show β and √
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        print("\nmicrogpt: stopped", file=sys.stderr)
        sys.exit(130)


COLOURS = {  # on light pages, and on dark ones
    "paper": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#e6edf3"),
    "soft": ("#59636e", "#9aa4af"),
    "grid": ("#d1d9e0", "#3d444d"),
    "blue": ("#0969da", "#58a6ff"),
    "orange": ("#bc4c00", "#f0883e"),
    "green": ("#1a7f37", "#3fb950"),
}
STYLE = """text{font:18px -apple-system,'Segoe UI',Helvetica,Arial,sans-serif}
.mono{font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.small{font-size:16px}.title{font-size:22px}.title,.bold{font-weight:600}
path{stroke-width:2}.thin{stroke-width:1}.thick{stroke-width:3.5}.band{fill-opacity:.18}
.halo{stroke-width:6px;paint-order:stroke}
.dashed{stroke-dasharray:7 6}.dotted{stroke-dasharray:2 5}"""

LIGHT, DARK = (
    "".join(f".{name}{{fill:{pair[i]}}}path.{name}{{fill:none;stroke:{pair[i]}}}"
            f".{name}-edge{{stroke:{pair[i]}}}" for name, pair in COLOURS.items()) for i in (0, 1))


class Picture:
    """An SVG drawing. A kind is one class or more of its style, such as "soft mono"."""

    def __init__(self, width, height, title, description):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title><desc>{escape(description)}</desc>",
            f"<style>{STYLE}\n{LIGHT}",  # an <img>, too, knows if its reader prefers dark
            f"@media(prefers-color-scheme:dark){{{DARK}}}</style>"]
        self.box(0.5, 0.5, width - 1, height - 1, "paper grid-edge", ' rx="8"')
        self.text(20, 36, title, "ink title")

    def text(self, x, y, words, kind, anchor="start", more=""):
        """Words that start, end or have their middle at x."""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"'
                          f"{more}>{escape(words)}</text>")

    def path(self, points, kind):
        """Straight lines from point to point."""
        places = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.parts.append(f'<path d="M{places}" class="{kind}"/>')

    def area(self, points, kind):
        """What lies within the points."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polygon points="{places}" class="{kind}"/>')

    def box(self, x, y, width, height, kind, more=""):
        """A rectangle."""
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                          f'height="{height:.1f}" class="{kind}"{more}/>')

    def __str__(self):
        return "\n".join(self.parts) + "\n</svg>\n"


def axes(picture, left, top, width, height, steps, low, high, unit):
    """Draw axes: steps to the right, and mean losses upwards. Return where (step, loss) is."""
    def at(step, loss):
        return left + width * step / steps, top + height * (high - loss) / (high - low)

    for i in range(int((high - low) / unit) + 1):
        x, y = at(0, low + unit * i)
        picture.path([(x, y), (x + width, y)], "grid thin")
        picture.text(x - 8, y + 6, f"{low + unit * i:g}", "soft", "end")
    for i in range(6):
        x, y = at(steps * i / 5, low)
        picture.text(x, y + 24, f"{steps * i // 5:,}", "soft", "middle")
    picture.text(left + width / 2, y + 50, "training steps, one name each", "soft", "middle")
    y = top + height / 2
    picture.text(28, y, "mean loss", "soft", "middle", f' transform="rotate(-90 28 {y:.1f})"')
    return at
