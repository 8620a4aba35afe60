"""The program from outside: started as a reader starts it, judged by what it prints.

Expected values come from the rules that the program has to keep, or are worked out by hand here.
Most runs use a tiny model and a step or two, because starting Python takes most of the time.
"""

import math
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import microgpt

PROJECT = Path(__file__).resolve().parent.parent
PROGRAM = PROJECT / "microgpt.py"
PATIENCE = 30  # seconds, so that a run that hangs fails its test and does not stop the others
ENDLESS = ("--steps", "1000000000")
SMALLEST = ("--n-embd", "1", "--n-head", "1", "--block-size", "1")
SMALL = ("--n-embd", "4", "--n-head", "2", "--block-size", "4")

HEADER = "microgpt  vocab=27  params=3632  layers=1  embd=16  heads=4"
STEP_0 = (
    "step     0  loss=3.2943  | sample 0: m<BOS>kv<BOS>tpl  sample 1: kygocwfv"
    "  sample 2: vydcdhlm  sample 3: kyagrgna  sample 4: jshozhxr"
)
STEP_LINE = re.compile(
    r"step (?P<step> {4}\d| {3}\d{2}| {2}\d{3}| \d{4}|\d{5,})  loss=(?P<loss>\d+\.\d{4})"
    r"  t=\d+\.\d{2}s  \| sample 0: (.*)  sample 1: (.*)  sample 2: (.*)  sample 3: (.*)"
    r"  sample 4: (.*)"
)


def environment(**changes):
    """This environment without what changes how Python or argparse print, and with changes."""
    unwanted = ("PYTHON", "LC_", "LANG", "COLUMNS", "LINES", "FORCE_COLOR", "CLICOLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    fixed = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8", "COLUMNS": "1000"}
    return {**kept, **fixed, **changes}


def python(*arguments, cwd, stdin="", env=None, stdout=subprocess.PIPE, shell='exec "$@"'):
    """Run this Python, with warnings as errors, until it ends: its status and what it printed.

    A shell starts it as "$@", so that it can be started with a limit or without an output.
    """
    return subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, "-W", "error", *map(str, arguments)],
        cwd=str(cwd), env=env or environment(), input=stdin, stdout=stdout,
        stderr=subprocess.PIPE, encoding="utf-8", timeout=PATIENCE,
    )


def timeless(text):
    """Printed text without its times, the only part that may differ from run to run."""
    return re.sub(r"Done in \d+\.\d{3}s", "Done", re.sub(r"  t=\d+\.\d{2}s", "", text))


def steps_of(output):
    """The step lines of a run, as regular expression matches."""
    return [STEP_LINE.fullmatch(line) for line in output.splitlines() if line.startswith("step")]


def samples_of(output):
    """Every sample of a run, each as a list of tokens. Works for names without < in them."""
    texts = [text for match in steps_of(output) for text in match.groups()[2:]]
    return [re.findall("<BOS>|.", text) for text in texts]


class ProgramTest(unittest.TestCase):
    """A temporary folder to start the program from, which is not the folder it is in."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()

    def write(self, name, content):
        """A file in the temporary folder, from text (as UTF-8) or bytes; returns its path."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def run_program(self, *arguments, **options):
        """Run microgpt.py from the temporary folder until it ends."""
        return python(PROGRAM, *arguments, **{"cwd": self.folder, **options})

    def train(self, *arguments, **options):
        """What the program prints, once it has been seen to end well and without complaint."""
        result = self.run_program(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def start(self, *arguments):
        """Start microgpt.py with pipes to read from; it is ended after the test at the latest."""
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(PROGRAM), *map(str, arguments)],
            cwd=str(self.folder), env=environment(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8",
        )
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        too_long = threading.Timer(PATIENCE, process.kill)  # ends a wait for a line, too
        too_long.start()
        self.addCleanup(too_long.join)
        self.addCleanup(too_long.cancel)
        return process

    def assert_one_line(self, text):
        """It is one whole line, of this program's, and not the end of a traceback."""
        self.assertRegex(text, r"\Amicrogpt: [^\n]+\n\Z")
        self.assertNotIn("Traceback", text)


class OutputTest(ProgramTest):
    """What a good run prints."""

    def test_first_lines_and_step_0_are_those_of_the_contract(self):
        lines = timeless(self.train("--steps", 1)).split("\n")
        self.assertEqual(
            lines, [HEADER, "Training 1 steps on 92 names", "", STEP_0, "Done", ""]
        )

    def test_step_lines_come_every_500_steps_and_at_the_last(self):
        output = self.train(*SMALLEST, "--steps", 1002)
        self.assertEqual([int(match["step"]) for match in steps_of(output)], [0, 500, 1000, 1001])

    def test_last_step_is_printed_once_if_it_is_a_multiple_of_500(self):
        output = self.train(*SMALLEST, "--steps", 501)
        self.assertEqual([int(match["step"]) for match in steps_of(output)], [0, 500])

    def test_every_line_has_its_format(self):
        lines = self.train(*SMALL, "--steps", 2).split("\n")
        formats = [
            r"microgpt  vocab=\d+  params=\d+  layers=\d+  embd=\d+  heads=\d+",
            r"Training \d+ steps on \d+ names", "", STEP_LINE.pattern, STEP_LINE.pattern,
            r"Done in \d+\.\d{3}s", "",
        ]
        self.assertEqual(len(lines), len(formats))
        for line, form in zip(lines, formats):
            with self.subTest(line=line):
                self.assertRegex(line, rf"\A(?:{form})\Z")

    def test_samples_have_at_most_block_size_tokens_and_reach_it(self):
        # Untrained, each token ends a sample with a chance of about 1 in 27.
        for block_size in (1, 3, 12):
            with self.subTest(block_size=block_size):
                output = self.train(
                    "--block-size", block_size, "--n-embd", 4, "--n-head", 1, "--steps", 1
                )
                self.assertEqual(max(map(len, samples_of(output))), block_size)

    def test_each_line_arrives_in_a_pipe_while_the_program_runs(self):
        process = self.start(*ENDLESS)
        lines = [process.stdout.readline() for _ in range(4)]
        self.assertEqual(timeless(lines[3]), STEP_0 + "\n")
        self.assertIsNone(process.poll())

    def test_output_is_the_same_whatever_hash_seed_locale_and_folder(self):
        def run(**changes):
            cwd = changes.pop("cwd", self.folder)
            return timeless(self.train(*SMALL, "--steps", 30, cwd=cwd, env=environment(**changes)))

        # Besides C, only the locale of this environment is sure to be there.
        locale = {name: os.environ[name] for name in ("LC_ALL", "LANG") if name in os.environ}
        first = run(PYTHONHASHSEED="0", LC_ALL="C")
        self.assertEqual(run(PYTHONHASHSEED="1", **locale), first)
        self.assertEqual(run(PYTHONHASHSEED="random", cwd=PROJECT), first)


class FlagTest(ProgramTest):
    """Each flag acts."""

    def last_loss(self, *arguments):
        """The loss at the last of forty steps of a small model, unless other flags follow."""
        flags = (*SMALL, "--steps", 40, "--lr", 0.1, *arguments)
        return steps_of(self.train(*flags))[-1]["loss"]

    def test_sizes_make_the_number_of_parameters(self):
        # V·C + block·C + layers · 12 C²: embeddings, positions, then 4 C² for attention and 8 C²
        # for feed-forward in each layer.
        params = 27 * 12 + 12 * 12 + 3 * 12 * 12**2
        output = self.train(
            *("--n-layer", 3, "--n-embd", 12, "--n-head", 3, "--block-size", 12, "--steps", 1)
        )
        header = f"microgpt  vocab=27  params={params}  layers=3  embd=12  heads=3"
        self.assertEqual(output.split("\n")[0], header)

    def test_heads_layers_rate_and_betas_change_the_loss(self):
        usual = self.last_loss()
        changes = (
            ("--n-head", 1), ("--n-layer", 2), ("--lr", 0.2), ("--beta1", 0), ("--beta2", 0.5)
        )
        with ThreadPoolExecutor(max_workers=2) as pool:
            losses = list(pool.map(lambda change: self.last_loss(*change), changes))
        for change, loss in zip(changes, losses):
            with self.subTest(change=change):
                self.assertNotEqual(loss, usual)

    def test_steps_sets_how_many_are_trained(self):
        output = self.train(*SMALLEST, "--steps", 3)
        self.assertEqual(int(steps_of(output)[-1]["step"]), 2)

    def test_seed_has_64_bits_that_all_count(self):
        # 42 and 42 + 2**32 agree in their low word, 42 and 42 + 2**63 but for the highest bit.
        seeds = (42, 42 + 2**32, 42 + 2**63, 0, 2**64 - 1)
        with ThreadPoolExecutor(max_workers=2) as pool:
            outputs = pool.map(lambda seed: self.train("--steps", 1, "--seed", seed), seeds)
            samples = {str(samples_of(output)) for output in outputs}
        self.assertEqual(len(samples), len(seeds))

    def test_data_is_what_is_learned(self):
        path = self.write("two.txt", "ann\nhan\n")
        lines = self.train(*SMALLEST, "--steps", 1, "--data", path).split("\n")
        self.assertIn("  vocab=5  ", lines[0])  # BOS, EOS, a, h, n
        self.assertEqual(lines[1], "Training 1 steps on 2 names")

    def test_help_shows_each_flag_with_its_default(self):
        defaults = {
            "--n-embd": 16, "--n-head": 4, "--n-layer": 1, "--block-size": 8, "--steps": 5000,
            "--lr": 0.01, "--beta1": 0.9, "--beta2": 0.95, "--seed": 42,
            "--data": "names.txt beside this program",
        }
        text = self.train("--help")
        for flag, default in defaults.items():
            with self.subTest(flag=flag):
                self.assertRegex(
                    text, rf"(?m)^ +{flag} [A-Z_0-9]+\s+\w.* \(default: {default}\)$"
                )


class BadInputTest(ProgramTest):
    """What makes no sense: one line that says so, status 2, nothing else."""

    VALUES = [  # flag, value, the same as a number
        *((flag, "0", 0)
          for flag in ("--n-embd", "--n-head", "--n-layer", "--block-size", "--steps")),
        ("--n-embd", "18", 18), ("--n-head", "3", 3), ("--lr", "nan", math.nan),
        ("--beta1", "-0.1", -0.1), ("--beta2", "1", 1.0), ("--seed", "-1", -1),
    ]
    UNREADABLE = [  # arguments that argparse refuses, what the line has to say
        *(([flag, "1.5"], (flag, "1.5"))
          for flag in ("--n-embd", "--n-head", "--n-layer", "--block-size", "--steps", "--seed")),
        *(([flag, "ten"], (flag, "ten")) for flag in ("--lr", "--beta1", "--beta2")),
        (["--layers", "2"], ("--layers",)),
        (["--step", "2"], ("--step",)),  # a flag's beginning is not the flag
        (["names.txt"], ("names.txt",)),
        (["--steps"], ("--steps",)),
        (["--data"], ("--data",)),
    ]
    FILES = {  # name: content
        "empty.txt": b"",
        "blank.txt": b"\xef\xbb\xbf\n  \n\r\n\t\n",
        "latin.txt": "ann\r\nbob\r\nzo\u00eb\r\n".encode("latin-1"),
        "utf-16.txt": "ann\n".encode("utf-16"),
        "unmarked-utf-16.txt": "ann\n".encode("utf-16-le"),
    }

    def assert_refused(self, commands):
        """Each list of arguments is refused, and no file appears. Returns the lines."""
        before = sorted(self.folder.iterdir())
        with ThreadPoolExecutor(max_workers=3) as pool:
            results = list(pool.map(lambda arguments: self.run_program(*arguments), commands))
        for arguments, result in zip(commands, results):
            with self.subTest(arguments=arguments):
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assert_one_line(result.stderr)
        self.assertEqual(sorted(self.folder.iterdir()), before)
        return [result.stderr for result in results]

    def assert_same_words(self, line, function, *arguments, **named):
        """The line says what this function says when it raises its error."""
        with self.assertRaises((ValueError, OSError)) as caught:
            function(*arguments, **named)
        self.assertEqual(line, f"microgpt: {caught.exception}\n")

    def test_values_in_the_words_of_settings(self):
        lines = self.assert_refused([[flag, value] for flag, value, _ in self.VALUES])
        for line, (flag, _, value) in zip(lines, self.VALUES):
            with self.subTest(flag=flag, value=value):
                name = flag[2:].replace("-", "_")
                self.assert_same_words(line, microgpt.Settings, **{name: value})

    def test_what_does_not_parse_with_the_way_to_help(self):
        lines = self.assert_refused([arguments for arguments, _ in self.UNREADABLE])
        for line, (arguments, words) in zip(lines, self.UNREADABLE):
            with self.subTest(arguments=arguments):
                self.assertTrue(line.endswith("; --help shows every flag\n"), line)
                for word in words:
                    self.assertIn(word, line)

    def test_files_in_the_words_of_read_documents(self):
        paths = [self.write(name, content) for name, content in self.FILES.items()]
        paths += [self.folder, self.folder / "missing.txt"]
        lines = self.assert_refused([["--data", path] for path in paths])
        for line, path in zip(lines, paths):
            with self.subTest(path=path):
                self.assert_same_words(line, microgpt.read_documents, path)

    def test_names_txt_is_a_file_like_any_other_if_asked_for(self):
        """It is beside the program, but not in this folder."""
        (line,) = self.assert_refused([["--data", "names.txt"]])
        self.assertIn("cannot read 'names.txt'", line)

    def test_without_a_standard_error_nothing_is_said(self):
        result = self.run_program("--steps", 0, shell='exec "$@" 2>&-')
        self.assertEqual((result.returncode, result.stdout, result.stderr), (2, "", ""))

    def test_a_line_break_in_a_file_name_or_an_argument_adds_no_line(self):
        for arguments in (["--data", "no\nsuch.txt"], ["--no\nsuch"]):
            with self.subTest(arguments=arguments):
                self.assert_one_line(self.run_program(*arguments).stderr)


class OddInputTest(ProgramTest):
    """Data that is unusual and fine."""

    CASES = {  # content, how many names are in it, and which characters
        "letters of many scripts": (
            "Ζωή\nМаша\n李\nนภา\nنور\nZoë\n𐌰𐍂𐌹\n".encode("utf-8"), 7, "ΖωήМаш李นภาنورZoë𐌰𐍂𐌹"
        ),
        "duplicates": (b"ann\nann\nann\n", 3, "an"),
        "longer than the block": (b"abcdefghijklmnop\n", 1, "abcdefghijklmnop"),
        "a single one-letter name": (b"a\n", 1, "a"),
    }

    def test_each_trains_on_all_its_names_and_characters(self):
        def run(number):
            path = self.write(f"{number}.txt", contents[number])
            return self.run_program(*SMALL, "--steps", 2, "--data", path)

        contents = [content for content, _, _ in self.CASES.values()]
        with ThreadPoolExecutor(max_workers=2) as pool:
            results = list(pool.map(run, range(len(contents))))
        for (case, (_, count, characters)), result in zip(self.CASES.items(), results):
            with self.subTest(case):
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                lines = result.stdout.splitlines()
                self.assertIn(f"  vocab={2 + len(set(characters))}  ", lines[0])
                self.assertEqual(lines[1], f"Training 2 steps on {count} names")
                self.assertEqual(len(steps_of(result.stdout)), 2)
                drawn = {token for sample in samples_of(result.stdout) for token in sample}
                self.assertLessEqual(drawn, {"<BOS>", *characters})

    def test_marks_line_ends_and_spaces_change_nothing(self):
        plain = self.write("plain.txt", "zoë\nbob\n")
        odd = self.write("odd.txt", "\ufeff\ufeff\r\n zoë\t\r\n\r\n\ufeffbob  ")
        outputs = [
            timeless(self.train(*SMALL, "--steps", 10, "--data", path)) for path in (plain, odd)
        ]
        self.assertEqual(outputs[1], outputs[0])

    def test_a_name_is_cut_to_the_block(self):
        # Both names begin with the four letters that fill the block; q only adds to the alphabet.
        longer = self.write("longer.txt", "abcdefgh\nq\n")
        other = self.write("other.txt", "abcdhgfe\nq\n")
        outputs = [
            timeless(self.train(*SMALL, "--steps", 10, "--data", path)) for path in (longer, other)
        ]
        self.assertEqual(outputs[1], outputs[0])

    def test_text_that_the_output_cannot_show_gets_a_stand_in(self):
        path = self.write("names.txt", "Маша\nДаша\n")
        for encoding in ("ascii", "cp1252"):
            with self.subTest(encoding=encoding):
                output = self.train(
                    *SMALL, "--steps", 2, "--data", path,
                    env=environment(PYTHONIOENCODING=encoding),
                )
                drawn = {token for sample in samples_of(output) for token in sample}
                self.assertLessEqual({"?"}, drawn)
                self.assertLessEqual(drawn, {"?", "<BOS>"})

    def test_100_000_names(self):
        path = self.write("many.txt", "".join(f"ann{i}\n" for i in range(100_000)))
        output = self.train(*SMALL, "--steps", 1, "--data", path)
        self.assertEqual(output.split("\n")[1], "Training 1 steps on 100000 names")
        self.assertEqual(len(steps_of(output)), 1)

    def test_a_line_of_a_million_characters(self):
        path = self.write("long.txt", "abcdefghij" * 100_000)
        output = self.train(*SMALL, "--steps", 2, "--data", path)
        self.assertEqual([int(match["step"]) for match in steps_of(output)], [0, 1])

    def test_2_000_different_characters(self):
        # The unified Chinese characters, from the first of them on.
        path = self.write("wide.txt", "".join(chr(0x4E00 + i) for i in range(2000)))
        output = self.train(*SMALL, "--steps", 1, "--data", path)
        params = 2002 * 4 + 4 * 4 + 12 * 4**2
        self.assertIn(f"  vocab=2002  params={params}  ", output)


class EndTest(ProgramTest):
    """Every way for a run to end early."""

    def interruptible(self):
        """Let a new process be stopped by Ctrl-C, even if this one was started to ignore it."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)

    def test_ctrl_c_while_training(self):
        self.interruptible()
        process = self.start(*ENDLESS)
        while not process.stdout.readline().startswith("step     0"):
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 130)
        self.assert_one_line(errors)

    def test_ctrl_c_while_waiting_for_the_data(self):
        self.interruptible()
        pipe = self.folder / "pipe"
        os.mkfifo(str(pipe))
        process = self.start("--data", pipe)
        with open(str(pipe), "wb") as data:
            data.write(b"ann\n" * 100_000)  # more than fits: most is read once this is written
            process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, output), (130, ""))
        self.assert_one_line(errors)

    def test_a_closed_pipe_ends_it_silently_with_status_1(self):
        process = self.start(*SMALLEST, *ENDLESS)
        for _ in range(3):
            process.stdout.readline()
        process.stdout.close()
        status = process.wait(timeout=PATIENCE)
        self.assertEqual((status, process.stderr.read()), (1, ""))

    def test_a_full_disk_is_one_line(self):
        # Where no device is always full, a file opened only for reading refuses the text as well.
        device = "/dev/full"
        full = os.path.exists(device) and stat.S_ISCHR(os.stat(device).st_mode)
        with open(device if full else os.devnull, "wb" if full else "rb") as output:
            result = self.run_program(*SMALL, "--steps", 1, stdout=output)
        self.assertEqual(result.returncode, 1)
        self.assert_one_line(result.stderr)

    def test_a_closed_standard_output_is_no_error(self):
        result = self.run_program(*SMALL, "--steps", 1, shell='exec "$@" >&-')
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_out_of_memory_is_one_line(self):
        path = self.folder / "endless.txt"
        with open(str(path), "wb") as file:
            file.truncate(2**31)  # takes no space on the disk, but 2 GB to read
        result = self.run_program("--data", path, shell='ulimit -v 1000000; exec "$@"')
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assert_one_line(result.stderr)
        self.assertIn("memory", result.stderr)

    def test_a_learning_rate_of_1_does_not_crash(self):
        result = self.run_program("--lr", 1.0, "--steps", 60)
        self.assertIn(result.returncode, (0, 1))
        self.assertLessEqual(len(result.stderr.splitlines()), 1)
        self.assertNotIn("Traceback", result.stderr)

    def test_a_loss_that_is_no_number_stops_with_advice(self):
        result = self.run_program("--lr", 1e300, "--steps", 60)
        self.assertEqual(result.returncode, 1)
        self.assertEqual([int(match["step"]) for match in steps_of(result.stdout)], [0])
        self.assert_one_line(result.stderr)
        self.assertIn("smaller lr", result.stderr)

    def test_a_mistake_in_the_code_keeps_its_traceback(self):
        for mistake, error in [("int('no number')", "ValueError"), ("1 / 0", "ZeroDivisionError")]:
            code = (
                "import runpy, time\n"
                f"time.perf_counter = lambda: {mistake}\n"  # train's first line calls it
                f"runpy.run_path({str(PROGRAM)!r}, run_name='__main__')\n"
            )
            with self.subTest(error):
                result = python("-c", code, cwd=self.folder)
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                traceback = rf"Traceback(?s:.*), in train\n(?s:.*)\n{error}: "
                self.assertRegex(result.stderr, traceback)


class StartTest(ProgramTest):
    """Every way to start it, and which names it trains on."""

    def assert_trained(self, result):
        """It printed the contract's first step, which holds for the 92 names only."""
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(timeless(result.stdout).split("\n")[1:6], [
            "Training 1 steps on 92 names", "", STEP_0, "Done", ""
        ])

    def copy(self, names=None):
        """A copy of the program in a folder of its own, alone or with these names."""
        folder = self.folder / "copy"
        folder.mkdir()
        shutil.copy(str(PROGRAM), str(folder))
        if names is not None:
            self.write("copy/names.txt", names)
        return folder / "microgpt.py"

    def test_alone_it_trains_on_the_same_names(self):
        self.assert_trained(python(self.copy(), "--steps", 1, cwd=self.folder))

    def test_a_setting_without_a_comment_has_no_help(self):
        program = self.copy()
        text = program.read_text(encoding="utf-8")
        self.assertIn("  # attention heads\n", text)
        program.write_text(text.replace("  # attention heads\n", "\n"), encoding="utf-8")
        self.assert_trained(python(program, "--steps", 1, cwd=self.folder))

    def test_names_txt_beside_it_is_used(self):
        self.write("names.txt", "a\nb\nc\n")  # in the current folder, and so not used
        result = python(self.copy("ann\nbob\n"), *SMALL, "--steps", 1, cwd=self.folder)
        self.assertIn("Training 1 steps on 2 names\n", result.stdout)

    def test_by_a_symbolic_link_names_txt_beside_the_file_is_used(self):
        link = self.folder / "link.py"
        link.symlink_to(self.copy("ann\nbob\n"))
        self.write("names.txt", "a\nb\nc\n")  # beside the link
        result = python(link, *SMALL, "--steps", 1, cwd=self.folder)
        self.assertIn("Training 1 steps on 2 names\n", result.stdout)

    def test_by_a_relative_path(self):
        self.assert_trained(python("../microgpt.py", "--steps", 1, cwd=PROJECT / "tests"))

    def test_by_a_symbolic_link_to_its_folder(self):
        link = self.folder / "link"
        link.symlink_to(PROJECT, target_is_directory=True)
        self.assert_trained(self.run_program("--steps", 1, cwd=link))
        self.assert_trained(python(link / "microgpt.py", "--steps", 1, cwd=self.folder))

    def test_as_a_module(self):
        self.assert_trained(python("-m", "microgpt", "--steps", 1, cwd=PROJECT))

    def test_under_a_profiler(self):
        profile = ("-m", "cProfile", "-o", self.folder / "profile")
        self.assert_trained(python(*profile, PROGRAM, "--steps", 1, cwd=self.folder))

    def test_interactively_the_trained_model_is_there(self):
        question = "print('sampled', repr(vocabulary.decode(generate(model, rng))))\n"
        result = python(
            "-i", PROGRAM, *SMALL, "--steps", 1, cwd=self.folder, stdin=question,
            env=environment(HOME=str(self.folder)),  # where Python keeps what was typed
        )
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"Done in [^\n]+\n[> ]*sampled '.*'")
        self.assertNotIn("Traceback", result.stderr)

    def test_imported_it_does_nothing(self):
        result = python("-c", "import microgpt", cwd=PROJECT)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
