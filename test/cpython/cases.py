# Runs a module of CPython's own tests, or the cases of it that are named behind it, and
# prints, the folder with the tests being the first argument, a line for each case: its name, then ok, skip or FAIL, then why. A case that has parts
# fails if one of them does.
import os
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, sys.argv[1])
from test import support

support.use_resources = []  # nothing that needs a network or very much of anything
support.verbose = 0
if os.environ.get("CASES_SLOW"):  # as regrtest --timeout does; an emulator is slow
    support.LOOPBACK_TIMEOUT, support.INTERNET_TIMEOUT = 60.0, 300.0
    support.SHORT_TIMEOUT, support.LONG_TIMEOUT = 300.0, 1800.0


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.verdict, self.why = "ok", ""
        self.begin = time.monotonic()

    def note(self, verdict, why):
        if self.verdict != "FAIL":
            self.verdict, self.why = verdict, why.strip().replace("\n", " | ")

    def addError(self, test, err):
        super().addError(test, err)
        if not hasattr(self, "verdict") or not isinstance(test, unittest.TestCase):
            line(test.id(), "FAIL", last(err))  # of a module or a class: no case begins
        else:
            self.note("FAIL", last(err))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note("FAIL", last(err))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note("FAIL", str(subtest) + ": " + last(err))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if isinstance(test, unittest.TestCase):
            if not hasattr(self, "verdict"):
                self.verdict = "ok"
            self.note("skip", reason)
        else:
            line(test.id(), "skip", reason)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note("FAIL", "unexpected success")

    def stopTest(self, test):
        super().stopTest(test)
        why = self.why
        if os.environ.get("CASES_TIMES"):
            why = "%.1f s %s" % (time.monotonic() - self.begin, why)
        line(test.id(), self.verdict, why)


def last(err):
    return "%s: %s" % (err[0].__name__, str(err[1])[:300])


def line(name, verdict, why):
    sys.__stdout__.write("CASE %s %s %s\n" % (name.replace(" ", ""), verdict, why))
    sys.__stdout__.flush()


os.chdir(tempfile.mkdtemp())  # what they leave behind is not the caller's
module = sys.argv[2]
names = ["test." + name for name in sys.argv[3:] or [module]]
suite = unittest.defaultTestLoader.loadTestsFromNames(names)
result = Result()
suite.run(result)
print("END", module, result.testsRun, threading.active_count())
sys.stdout.flush()
os._exit(0)
