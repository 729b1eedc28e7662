"""What the cases share: the client, a watch on its event stream, and waiting."""

import collections
import collections.abc
import logging
import threading
import time
import unittest

# The one thing that the library needs on Python 3.10 and later; nothing else about it is touched.
collections.Iterable = collections.abc.Iterable

from marathon import MarathonClient  # noqa: E402
from marathon.models import MarathonApp  # noqa: E402
from marathon.models.events import EventFactory  # noqa: E402
from marathon.util import to_snake_case  # noqa: E402

from older import PLAN_EVENTS, YOUNGER_ATTRIBUTES, OlderSession, older_event  # noqa: E402

logging.getLogger('marathon').setLevel(logging.CRITICAL)

PATIENCE_SECONDS = 40
PAUSE_SECONDS = 0.1
WEB = 'exec python3 -m http.server "$PORT0" --bind 0.0.0.0'
"""The command of a task that answers HTTP."""

called = set()
"""Names of the client's methods that the cases have called so far."""


class Recorded:
    """A client as it is, beside a list of what was called."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        called.add(name)
        return getattr(self._client, name)


READABLE = sorted(set(EventFactory.event_to_class) - set(PLAN_EVENTS))
"""Types of events that the library reads as they come."""


class Watch:
    """Reads an event stream of its own on a thread, until it fails or the server ends."""

    def __init__(self, client, **options):
        self.events = []
        self.failure = None
        self.wanted = set(options.get('event_types') or EventFactory.event_to_class)
        self._stream = self._open(client, **options)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _open(self, client, **options):
        return client.event_stream(**options)

    def _read(self):
        try:
            for event in self._stream:
                self.events.append(event)
        except Exception as failure:  # whatever the library does not digest
            self.failure = failure

    def types(self):
        return [event.event_type for event in list(self.events)]

    def of(self, event_type):
        return [event for event in list(self.events) if event.event_type == event_type]

    def join(self, seconds):
        """Whether the stream came to its end in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


class WholeWatch(Watch):
    """Reads whatever the server tells without any filter, with the older form of plans.

    The library skips attributes that it does not know; this does not.
    """

    def _open(self, client):
        factory = EventFactory()
        for text in client.event_stream(raw=True):
            raw = older_event(text)
            event = factory.process(raw)
            known = {'event_type', 'timestamp', *event.KNOWN_ATTRIBUTES, *YOUNGER_ATTRIBUTES.get(event.event_type, ())}
            if strange := {to_snake_case(name) for name in raw} - known:
                raise ValueError(f'{event.event_type} has attributes that nobody knows: {sorted(strange)}')
            if definition := raw.get('appDefinition'):
                MarathonApp.from_json(definition)
            yield event


class Case(unittest.TestCase):
    """A case with a client; what it makes lies below `self.root` and is gone afterwards."""

    url = None

    def setUp(self):
        self.client = Recorded(MarathonClient(self.url))
        self.older = Recorded(MarathonClient(self.url, session=OlderSession()))
        self.root = '/' + self.id().rsplit('.', 1)[-1].removeprefix('test_').replace('_', '-')
        self.addCleanup(self.clean_up)

    def clean_up(self):
        client = MarathonClient(self.url, session=OlderSession())
        if self.root in [group.id for group in client.list_groups()]:
            client.delete_group(self.root, force=True)
            self.until('everything is gone', lambda: not self.tasks_below() and not client.list_deployments())

    def tasks_below(self):
        return [task for task in MarathonClient(self.url).list_tasks() if task.app_id.startswith(self.root + '/')]

    def path(self, name):
        return f'{self.root}/{name}'

    def sleeper(self, **more):
        """An app that only waits."""
        return MarathonApp(**{'cmd': 'exec sleep 1000', 'cpus': 0.1, 'mem': 32, 'instances': 1, **more})

    def create(self, name, **more):
        """Creates a sleeper and waits until it runs; its path."""
        path = self.path(name)
        self.client.create_app(path, self.sleeper(**more))
        self.until_settled(path)
        return path

    def create_stuck(self, name):
        """Creates an app that is too large for every agent; its path and its deployment."""
        path = self.path(name)
        app = self.client.create_app(path, self.sleeper(cpus=1000))
        return path, app.deployments[0].id

    def until(self, what, condition):
        """Waits for `condition`; what it gave."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (value := condition()):
            self.assertLess(time.monotonic(), deadline, f'waited in vain until {what}')
            time.sleep(PAUSE_SECONDS)
        return value

    def until_settled(self, path=None):
        """Waits until no deployment is on its way, for an app or at all; the app."""
        if path is None:
            return self.until('no deployment is left', lambda: not self.client.list_deployments())

        def settled():
            app = self.client.get_app(path)
            return app if not app.deployments and app.tasks_running == app.instances else None
        return self.until(f'{path} is deployed', settled)

    def until_done(self, answer):
        """Waits for the deployment that an answer names."""
        deployment = answer['deploymentId']
        self.until('the deployment is done', lambda: deployment not in [d.id for d in self.client.list_deployments()])
