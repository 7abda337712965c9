"""Cases of a test that do little but wait until a program gives something up run at the same time, each on a bench of its own.

Such a case has the decorator @waits, and its file `from overlap import load_tests`, which unittest looks for. They run first; the
others follow one by one as ever. No fixtures of classes or modules for them."""
import threading
import unittest


def waits(test):
    test.waits = True
    return test


class Overlapped(unittest.TestSuite):
    def run(self, result, debug=False):
        cases = list(self)
        own = [unittest.TestResult() for _ in cases]
        threads = [threading.Thread(target=case.run, args=(its,)) for case, its in zip(cases, own)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for its in own:
            result.testsRun += its.testsRun
            for kind in ("failures", "errors", "skipped", "expectedFailures", "unexpectedSuccesses"):
                getattr(result, kind).extend(getattr(its, kind))
        return result


def cases_of(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases_of(item)
        else:
            yield item


def load_tests(_loader, standard, _pattern):
    overlapped, others = Overlapped(), unittest.TestSuite()
    for case in cases_of(standard):
        waits_itself = getattr(getattr(case, case._testMethodName, None), "waits", False)
        (overlapped if waits_itself else others).addTest(case)
    return unittest.TestSuite([overlapped, others])
