"""The Python library `marathon` 0.13.0, as it is installed, against the binary in MARATHON_BIN.

It refuses keys, events and attributes that it does not know, so it also shows that nothing of ours is where it does
not belong. The last line is `N passed, M failed`.
"""

import os
import sys
import time
import unittest

import support
import test_apps
import test_events
import test_groups
import test_system
import test_tasks
from server import STOP_SECONDS, Server
from support import READABLE, Case, MarathonClient, Watch, WholeWatch

MODULES = (test_apps, test_groups, test_tasks, test_events, test_system)


class Result(unittest.TestResult):
    """Says how each case went, as soon as it is over."""

    def startTest(self, test):
        super().startTest(test)
        self._started = time.monotonic()

    def addSuccess(self, test):
        super().addSuccess(test)
        print(f'ok      {name(test)} ({time.monotonic() - self._started:.1f} s)', flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._complain(test, self.failures)

    def addError(self, test, err):
        super().addError(test, err)
        self._complain(test, self.errors)

    def _complain(self, test, complaints):
        print(f'FAILED  {name(test)}\n{complaints[-1][1]}', flush=True)

    def failed(self):
        """Each case once, however often it complained."""
        return {name(test) for test, _ in self.failures + self.errors}


def name(test):
    return test.id().rsplit('.', 1)[-1].removeprefix('test_').replace('_', ' ')


def run_cases(result):
    loader = unittest.defaultTestLoader
    unittest.TestSuite(loader.loadTestsFromModule(module) for module in MODULES).run(result)


def check_whole_run(server, watches):
    """What can be said only afterwards, as names and complaints (None: none)."""
    known = {method for method in vars(MarathonClient) if not method.startswith('_')}
    missing = known - support.called
    yield 'every method of the client was called', f'not called: {sorted(missing)}' if missing else None

    for what, watch in watches.items():
        unseen = (test_events.EXPECTED & watch.wanted) - set(watch.types())
        complaint = repr(watch.failure) if watch.failure else f'unseen: {sorted(unseen)}' if unseen else None
        yield f'the client read {what} of the run', complaint

    code = server.end()
    yield 'the server ends as asked', f'exit code {code}' if code else None
    ended = all(watch.join(STOP_SECONDS) for watch in watches.values())
    yield 'the event streams end with the server', None if ended else 'a reader still waits'
    code = server.down()
    yield 'down leaves nothing behind', f'exit code {code}' if code else None


def main():
    server = Server(os.environ['MARATHON_BIN'])
    result = Result()
    passed = failed = 0
    try:
        server.wait_until_ready()
        Case.url = server.url
        watches = {
            'the events of its time': Watch(MarathonClient(server.url), event_types=READABLE),
            'the unfiltered events': WholeWatch(MarathonClient(server.url)),
        }
        run_cases(result)
        failed = len(result.failed())
        passed = result.testsRun - failed
        for statement, complaint in check_whole_run(server, watches):
            print(f'FAILED  {statement}\n{complaint}' if complaint else f'ok      {statement}', flush=True)
            passed, failed = (passed, failed + 1) if complaint else (passed + 1, failed)
    except Exception as failure:
        failed += 1
        print(f'FAILED  the run itself\n{failure!r}', flush=True)
    finally:
        server.end()
        server.down()
        if failed:
            print(f'last output of the server:\n{server.log()}')
        server.remove()
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
