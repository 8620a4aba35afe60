"""What the programs in this folder share: a model in training, jobs on all cores, flags, SVG."""
import argparse
import json
import platform
import signal
import sys
from dataclasses import fields
from html import escape
from multiprocessing import Pool, Value
from pathlib import Path
from statistics import mean
from time import perf_counter

import microgpt

FOLDER = Path(__file__).parent
steps_done = None  # in a worker of in_parallel: the training steps that all workers have done


class Learner:
    """A model in training, and what it needs."""

    def __init__(self, settings, names):
        self.settings = settings
        self.vocabulary = microgpt.Vocabulary(names)
        self.rng = microgpt.Xoshiro(settings.seed)
        self.model = microgpt.init_model(settings, len(self.vocabulary.tokens), self.rng)
        self.adam = microgpt.Adam(self.model, settings)

    def sequences(self, names):
        """Each name as ids, cut as in training."""
        size = self.settings.block_size
        return [microgpt.training_tokens(name, self.vocabulary, size) for name in names]

    def train(self, sequences):
        """Train, one sequence a step. Yield how many steps are done: 0, 1, 2, …, all."""
        yield 0
        for step in range(self.settings.steps):
            _, dmodel = microgpt.loss_and_gradient(self.model, sequences[step % len(sequences)])
            self.adam.update(self.model, dmodel, step)
            if steps_done is not None:
                with steps_done.get_lock():
                    steps_done.value += 1
            yield step + 1

    def mean_loss(self, sequences):
        """The mean over sequences of each one's loss."""
        losses = []
        for ids in sequences:
            logits, _ = microgpt.forward(self.model, ids[:-1], microgpt.new_cache(self.model))
            losses.append(microgpt.cross_entropy(logits, ids[1:])[0])
        return mean(losses)

    def samples(self, count):
        """Samples, as text."""
        return [microgpt.generate(self.model, self.vocabulary, self.rng) for _ in range(count)]


def share_taught(samples, names, block_size):
    """The share of samples that are names of the list, as far as they fit into the block."""
    taught = {name[:block_size] for name in names}
    return mean(sample in taught for sample in samples)


# Jobs on all cores


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
    text = f"{done:,} of {total:,} {things}" if total else ""
    if done:
        left = (perf_counter() - start) / done * (total - done)
        text += f", about {left:.0f} s left" if left < 100 else f", about {left / 60:.0f} min left"
    print(f"\r{text:60}", end="" if total else "\r", file=sys.stderr, flush=True)


# Flags, and what is printed and kept


def count(text):
    """A whole number from 1 on."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def new_parser(name, text, picture=False, flags=True, **counts):
    """A parser of a program's flags and those of microgpt.py; --help says the text, too."""
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.figures.{name}", usage="%(prog)s [-h] [--flag value ...]",
        description=text, allow_abbrev=False, conflict_handler="resolve",
        formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, (default, meaning) in counts.items():
        parser.add_argument(f"--{flag}", type=count, default=default, metavar="N",
                            help=f"{meaning} (default: {default})")
    if picture:
        parser.add_argument("--save", action="store_true", help="write the picture and its data")
        parser.add_argument("--redraw", action="store_true", help="draw the saved data, and end")
    group = parser.add_argument_group("flags of microgpt.py")
    for field in fields(microgpt.Settings) if flags else ():
        group.add_argument("--" + field.name.replace("_", "-"), type=field.type, metavar="X",
                           default=field.default,
                           help=f"{field.metadata['meaning']} (default: {field.default})")
    return parser


def parse(parser, arguments):
    """Command-line arguments -> all flags, and those of microgpt.py as Settings, checked."""
    own = parser.parse_args(arguments)
    names = [field.name for field in fields(microgpt.Settings)]
    settings = microgpt.Settings(**{name: getattr(own, name) for name in names})
    try:
        microgpt.check(settings)
    except ValueError as error:
        parser.error(str(error))
    return own, settings


def read_names(parser, data):
    """The names in a file, or the parser's error; the 92 names if there is no file."""
    try:
        return microgpt.read_documents(data) if data is not None else microgpt.NAMES
    except (OSError, ValueError) as error:
        parser.error(str(error))


def save(name, picture, data=None):
    """Write a picture, and the data that it shows, into this folder."""
    FOLDER.joinpath(f"{name}.svg").write_text(picture, encoding="utf-8")
    if data is not None:
        FOLDER.joinpath(f"{name}.json").write_text(json.dumps(data) + "\n", encoding="utf-8")


def saved(name):
    """The data of a picture."""
    return json.loads(FOLDER.joinpath(f"{name}.json").read_text(encoding="utf-8"))


def python():
    """The interpreter and its version. PyPy has one of its own beside that of the language."""
    pypy = ".".join(map(str, getattr(sys, "pypy_version_info", ())[:3]))
    language = platform.python_version()
    return f"PyPy {pypy} (Python {language})" if pypy else f"CPython {language}"


def print_table(heads, rows):
    """A table in Markdown."""
    for cells in (heads, ["---"] * len(heads), *rows):
        print("|", " | ".join(map(str, cells)), "|")


def spread(values, form):
    """The mean, and the least to the most, as two cells."""
    return f"{mean(values):{form}}", f"{min(values):{form}} to {max(values):{form}}"


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


# Pictures

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


def colours(theme):
    """COLOURS as CSS: 0 for light pages, 1 for dark ones."""
    return "".join(f".{name}{{fill:{pair[theme]}}}path.{name}{{fill:none;stroke:{pair[theme]}}}"
                   f".{name}-edge{{stroke:{pair[theme]}}}" for name, pair in COLOURS.items())


class Picture:
    """An SVG drawing. A kind is one class or more of its style, such as "soft mono"."""

    def __init__(self, width, height, title, description):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title><desc>{escape(description)}</desc>",
            f"<style>{STYLE}\n{colours(0)}",  # an <img>, too, knows if its reader prefers dark
            f"@media(prefers-color-scheme:dark){{{colours(1)}}}</style>"]
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


class Plot:
    """Axes in a picture: steps to the right, and mean losses upwards, from low to high."""

    def __init__(self, picture, left, top, width, height, steps, low, high, unit):
        self.picture, self.steps, self.low, self.high = picture, steps, low, high
        self.left, self.top, self.width, self.height = left, top, width, height
        for i in range(int((high - low) / unit) + 1):
            x, y = self.at(0, low + unit * i)
            picture.path([(x, y), (x + width, y)], "grid thin")
            picture.text(x - 8, y + 6, f"{low + unit * i:g}", "soft", "end")
        for i in range(6):
            x, y = self.at(steps * i / 5, low)
            picture.text(x, y + 24, f"{steps * i // 5:,}", "soft", "middle")
        picture.text(left + width / 2, y + 50, "training steps, one name each", "soft", "middle")
        y = top + height / 2
        picture.text(28, y, "mean loss", "soft", "middle", f' transform="rotate(-90 28 {y:.1f})"')

    def at(self, step, loss):
        """Where a loss at a step is drawn."""
        return (self.left + self.width * step / self.steps,
                self.top + self.height * (self.high - loss) / (self.high - self.low))

    def curve(self, points, kind):
        """A line through (step, loss)."""
        self.picture.path([self.at(*point) for point in points], kind)

    def level(self, loss, kind):
        """A horizontal line."""
        self.curve([(0, loss), (self.steps, loss)], kind)
