"""The program as a process: flags, help, bad input, every way to start and to end it.

Most runs are of a small model and a step or two, because starting Python takes most of the time.
"""
import contextlib
import dataclasses
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import microgpt
from tests.helpers import PROJECT, STEP_0

PROGRAM = PROJECT / "microgpt.py"
HEADER = "microgpt  vocab=27  params=3632  layers=1  embd=16  heads=4"
SMALL = ("--n-embd", 4, "--n-head", 2, "--block-size", 4)
PATIENCE = 60  # seconds, so that a run that hangs fails its test and does not stop the others
PLAIN = {"COLUMNS": "1000", "PYTHON_COLORS": "0"}  # so that argparse writes whole, plain lines
ERROR = r"\Ausage: microgpt\.py [^\n]+\nmicrogpt\.py: error: [^\n]+\n\Z"


def environment(**changes):
    """This environment without what changes how Python prints, and with changes."""
    unwanted = ("PYTHON", "LC_", "LANG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    fixed = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
    return {**kept, **PLAIN, **fixed, **changes}


def without_time(output):
    """The printed lines, the last of them without its time, all that differs between two runs."""
    return re.sub(r"^Done in \d+\.\d{3}s$", "Done", output, flags=re.M).split("\n")


class ProcessTest(unittest.TestCase):
    """Each test has a temporary folder, in which the program is started; it lies elsewhere."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()

    def write(self, name, content):
        """A file in the temporary folder, of text as UTF-8 or of bytes; returns its path."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def start(self, *arguments, cwd=None, **changes):
        """A new process of this Python, ended after the test at the latest."""
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *map(str, arguments)], cwd=str(cwd or self.folder),
            env=environment(HOME=str(self.folder), **changes),  # where -i keeps what was typed
            encoding="utf-8", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        too_long = threading.Timer(PATIENCE, process.kill)
        too_long.start()
        for clean_up in (process.stdin.close, process.stdout.close, process.stderr.close,
                         process.wait, process.kill, too_long.cancel):
            self.addCleanup(clean_up)  # the last one first
        return process

    def run_python(self, *arguments, stdin="", **options):
        """Status, standard output and standard error of a process of this Python, once ended."""
        process = self.start(*arguments, **options)
        output, errors = process.communicate(stdin)
        return process.returncode, output, errors

    def train(self, *arguments, **options):
        """The lines that a run of the program prints, which has to end well, without its time."""
        status, output, errors = self.run_python(PROGRAM, *arguments, **options)
        self.assertEqual((status, errors), (0, ""))
        return without_time(output)


class RunTest(ProcessTest):
    def test_a_run_prints_the_lines_of_the_contract_and_nothing_else(self):
        lines = [HEADER, "Training 1 steps on 92 names", "", STEP_0, "Done", ""]
        self.assertEqual(self.train("--steps", 1), lines)

    def test_two_runs_print_equal_lines(self):
        def run(hash_seed):
            return self.train(*SMALL, "--steps", 30, PYTHONHASHSEED=hash_seed)

        with ThreadPoolExecutor() as pool:
            first, second = pool.map(run, "01")
        self.assertEqual(first, second)

    def test_a_line_says_how_many_names_are_cut(self):
        path = self.write("long.txt", "abcd\nabcde\nabc\nabcdefghijkl\n")
        lines = self.train(*SMALL, "--steps", 1, "--data", path)
        self.assertEqual(lines[1], "Training 1 steps on 4 names")
        self.assertRegex(lines[2], r"\A2 of them have more than 4 characters\b.*\bcut\b")
        self.assertEqual((lines[3], lines[4][:10], lines[5:]), ("", "step     0", ["Done", ""]))

    def test_a_letter_that_the_terminal_cannot_show_does_not_stop_training(self):
        path = self.write("names.txt", "Маша\nДаша\n")
        flags = (*SMALL, "--steps", 1, "--data", path)
        samples = self.train(*flags, PYTHONIOENCODING="ascii")[3].split("| ")[1]
        self.assertRegex(samples, r"\A(([?]|<BOS>)*  ){4}([?]|<BOS>)*\Z")


class FlagTest(unittest.TestCase):
    """Arguments in, settings or an end of the program out."""

    DEFAULTS = {
        "--n-embd": 16, "--n-head": 4, "--n-layer": 1, "--block-size": 8, "--steps": 5000,
        "--lr": 0.01, "--beta1": 0.9, "--beta2": 0.95, "--seed": 42, "--data": "names.txt beside",
    }
    OTHERS = {  # flag: another value for it as text, and as it stands in the settings
        "--n-embd": ("12", 12), "--n-head": ("2", 2), "--n-layer": ("3", 3), "--steps": ("7", 7),
        "--block-size": ("12", 12), "--lr": ("1e-3", 0.001), "--beta1": ("0", 0.0),
        "--beta2": (".5", 0.5), "--seed": ("18446744073709551615", 2**64 - 1),
        "--data": ("names.txt", "names.txt"),
    }
    REFUSED = [  # arguments, what the message has to say
        *([f"{flag}=0", flag[2:].replace("-", "_")] for flag in list(DEFAULTS)[:6]),
        ["--n-embd=18", "18"], ["--n-head=3", "3"], ["--lr=nan", "nan"], ["--beta1=1", "1.0"],
        ["--beta2 -0.1", "-0.1"], ["--seed -1", "-1"],
        *([f"{flag}=1.5", flag] for flag in [*list(DEFAULTS)[:5], "--seed"]),
        *([f"{flag}=ten", flag] for flag in ("--lr", "--beta1", "--beta2")),
        ["--layers 2", "--layers"], ["names.txt", "names.txt"], ["--steps", "--steps"],
        ["--step 2", "--step"],  # a flag's beginning is not the flag
    ]

    def ended(self, *arguments):
        """How from_flags ends the program: status, standard output, standard error."""
        with contextlib.redirect_stdout(io.StringIO()) as output, \
                contextlib.redirect_stderr(io.StringIO()) as errors, \
                mock.patch.dict(os.environ, PLAIN), self.assertRaises(SystemExit) as end:
            microgpt.from_flags(arguments)
        return end.exception.code, output.getvalue(), errors.getvalue()

    def test_without_flags_all_is_at_its_default(self):
        self.assertEqual(microgpt.from_flags([]), (microgpt.Settings(), microgpt.NAMES))

    def test_each_flag_sets_its_field_and_no_other(self):
        self.assertEqual(set(self.OTHERS), set(self.DEFAULTS))
        with mock.patch.object(microgpt, "read_documents", return_value=["ann"]):
            for flag, (text, value) in self.OTHERS.items():
                with self.subTest(flag=flag):
                    name = flag[2:].replace("-", "_")
                    settings, _ = microgpt.from_flags([flag, text])
                    self.assertEqual(settings, microgpt.Settings(**{name: value}))
                    self.assertIs(type(getattr(settings, name)), type(value))

    def test_help_says_what_each_flag_means_and_its_default(self):
        status, output, errors = self.ended("--help")
        self.assertEqual((status, errors), (0, ""))
        for flag, default in self.DEFAULTS.items():
            with self.subTest(flag=flag):
                self.assertRegex(output, rf"(?m)^ +{flag} \S+\s+\w.*\bdefault\b.*\b{default}\b")
        self.assertEqual(output.count("default"), len(self.DEFAULTS))
        self.assertNotIn("None", output)

    def test_a_percent_sign_in_a_meaning_is_shown(self):
        odd = dataclasses.make_dataclass(
            "Odd", [("n", int, microgpt.setting(1, "100% of it, %s and %(prog)s"))])
        with mock.patch.object(microgpt, "Settings", odd):
            self.assertIn("100% of it, %s and %(prog)s", self.ended("--help")[1])

    def test_bad_flags_and_values_end_with_usage_and_one_line(self):
        for arguments, words in self.REFUSED:
            with self.subTest(arguments=arguments):
                status, output, errors = self.ended(*arguments.split(" "))
                self.assertEqual((status, output), (2, ""))
                self.assertRegex(errors, ERROR)
                self.assertIn(words, errors.split("error:")[1])


class EndTest(ProcessTest):
    QUESTION = "print('model:', model, generate(model, vocabulary, rng))\n"
    ANSWER = r"[> ]*model: microgpt  vocab=27 [^\n]*\n"

    def start_and_see(self, *arguments):
        """A run that Ctrl-C can stop, once the first step line has arrived."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # perhaps it was ignored
        try:
            process = self.start(*arguments)
        finally:
            signal.signal(signal.SIGINT, before)
        lines = [process.stdout.readline() for _ in range(4)]
        self.assertEqual((lines[3], process.poll()), (STEP_0 + "\n", None))
        return process

    def assert_at_prompt(self, output, errors):
        """One line says what stopped it, one says what to type, and the question was answered."""
        self.assertRegex(output, rf"(\A|\n)Try: [^\n]*\n{self.ANSWER}")
        self.assertRegex(errors, r"(?m)^microgpt: .+$")
        self.assertNotRegex(errors, r"microgpt\.py|SystemExit")

    def test_bad_input_ends_with_usage_and_one_line_and_leaves_nothing(self):
        runs = [["--data", self.write("latin.txt", b"zo\xeb\n")], ["--data", "missing.txt"],
                ["--steps", 0], ["--layers", 2]]
        before = sorted(self.folder.iterdir())
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda run: self.run_python(PROGRAM, *run), runs))
        for run, (status, output, errors) in zip(runs, results):
            with self.subTest(arguments=run):
                self.assertEqual((status, output), (2, ""))
                self.assertRegex(errors, ERROR)
                self.assertIn(str(run[1]), errors)
        self.assertEqual(sorted(self.folder.iterdir()), before)

    def test_lines_appear_at_once_in_a_pipe_and_ctrl_c_ends_with_one_line(self):
        process = self.start_and_see(PROGRAM, "--steps", 10**9)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 130)
        self.assertRegex(errors, r"\Amicrogpt: [^\n]+\n\Z")

    def test_interactively_ctrl_c_leaves_the_prompt_with_the_model(self):
        process = self.start_and_see("-i", PROGRAM, "--steps", 10**9)
        process.send_signal(signal.SIGINT)
        self.assert_at_prompt(*process.communicate(self.QUESTION))

    def test_a_loss_that_is_not_finite_ends_with_one_line(self):
        status, output, errors = self.run_python(PROGRAM, "--lr", 1e300)
        self.assertEqual((status, output.count("\nstep ")), (1, 1))
        self.assertRegex(errors, r"\Amicrogpt: [^\n]*\bloss\b[^\n]*\n\Z")

    def test_interactively_a_loss_that_is_not_finite_leaves_the_prompt_with_the_model(self):
        _, output, errors = self.run_python("-i", PROGRAM, "--lr", 1e300, stdin=self.QUESTION)
        self.assert_at_prompt(output, errors)

    def test_interactively_a_line_says_what_to_type_and_that_works(self):
        process = self.start("-i", PROGRAM, "--steps", 1, "--block-size", 1)
        lines = [process.stdout.readline() for _ in range(7)]
        self.assertRegex("".join(lines[-2:]), r"\ADone in .*\nTry: .*generate\(.*\n\Z")
        output, errors = process.communicate(lines[-1][len("Try: "):] + self.QUESTION)
        self.assertRegex(output, rf"\A[> ]*'.+'\n{self.ANSWER}")
        self.assertNotRegex(errors, r"microgpt\.py|SystemExit")

    def test_a_closed_pipe_ends_it_silently(self):
        smallest = ("--n-embd", 1, "--n-head", 1, "--block-size", 1)  # soon at its next step line
        process = self.start(PROGRAM, *smallest, "--steps", 10**9)
        for _ in range(3):
            process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.stderr.read(), "")

    def test_a_mistake_in_changed_code_keeps_its_traceback(self):
        story, mark, last_cell = PROGRAM.read_text(encoding="utf-8").rpartition("# %%\n")
        mistake = "def train(*arguments):\n    raise ValueError('a mistake')\n\n"
        path = self.write("changed.py", story + mistake + mark + last_cell)
        status, _, errors = self.run_python(path)
        self.assertEqual(status, 1)
        self.assertRegex(errors, r"\ATraceback(?s:.*), in train\n(?s:.*)\nValueError: a mistake\n")


class StartTest(ProcessTest):
    def test_it_starts_in_every_usual_way_and_finds_its_names(self):
        source = PROGRAM.read_bytes()
        alone = self.write("alone/microgpt.py", source)
        linked = self.write("linked/microgpt.py", source)
        self.write("linked/names.txt", "ann\nbob\n")
        (self.folder / "link.py").symlink_to(linked)
        self.write("names.txt", "a\nb\nc\n")  # in the current folder, and so not used
        ways = {  # how it is started: arguments, the folder to start in, the names it trains on
            "alone, with the names in it": ([alone], None, 92),
            "by a link, with names.txt beside the file": (["link.py"], None, 2),
            "by a relative path": (["../microgpt.py"], PROJECT / "tests", 92),
            "as a module": (["-m", "microgpt"], PROJECT, 92),
            "under a profiler": (["-m", "cProfile", "-o", "profile", PROGRAM], None, 92),
        }
        with ThreadPoolExecutor(2) as pool:
            results = pool.map(
                lambda way: self.run_python(*way[0], "--steps", 1, cwd=way[1]), ways.values())
            for way, (status, output, errors) in zip(ways, results):
                with self.subTest(way):
                    lines = without_time(output)
                    self.assertEqual((status, errors, lines[4:]), (0, "", ["Done", ""]))
                    self.assertEqual(lines[1], f"Training 1 steps on {ways[way][2]} names")
                    self.assertEqual(lines[3] == STEP_0, ways[way][2] == 92)

    def test_an_import_prints_nothing(self):
        self.assertEqual(self.run_python("-c", "import microgpt", cwd=PROJECT), (0, "", ""))
