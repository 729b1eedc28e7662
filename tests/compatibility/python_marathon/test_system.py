"""Deployments, the queue, the server itself, and what it does not offer."""

from marathon.exceptions import MarathonHttpError
from marathon.models import MarathonInfo

from older import PLAN_EVENTS
from support import Case, Watch

CALLBACK = 'http://127.0.0.1:1/events'

NOT_OFFERED = {
    'list_event_subscriptions': ((), 'callbacks were dropped by Marathon 1.7; the event stream is what remains'),
    'create_event_subscription': ((CALLBACK,), 'as above'),
    'delete_event_subscription': ((CALLBACK,), 'as above'),
    'get_metrics': ((), 'no metrics of the scheduler yet'),
    'delete_leader': ((), 'one scheduler leads for good: there is nobody to hand over to yet'),
}
"""Methods for what this server does not offer, with arguments and the reason. (The library has none for pods.)"""


class Deployments(Case):
    def test_a_deployment_is_listed_and_rolled_back(self):
        path, deployment = self.create_stuck('rolled-back')
        [listed] = [listed for listed in self.client.list_deployments() if listed.id == deployment]
        self.assertEqual([path], listed.affected_apps)
        self.assertEqual((2, 2), (listed.total_steps, len(listed.steps)))
        self.assertEqual(listed.current_step, [step.actions[0].action for step in listed.steps].index(
            listed.current_actions[0].action) + 1)
        self.assertEqual(path, listed.current_actions[0].app)

        answer = self.client.delete_deployment(deployment)
        self.assertEqual({'version', 'deploymentId'}, set(answer))
        self.until_settled()
        self.assertEqual([], self.client.list_apps(app_id=path))

    def test_a_deployment_is_given_up(self):
        path, deployment = self.create_stuck('given-up')
        self.assertEqual({}, self.client.delete_deployment(deployment, force=True))
        self.until_settled()
        self.assertEqual(1, self.client.get_app(path).instances)


class Queue(Case):
    def waiting(self, path, **options):
        return next((item for item in self.client.list_queue(**options) if item.app.id == path), None)

    def test_what_waits_for_offers_is_listed(self):
        path, _ = self.create_stuck('waiting')
        item = self.until('it waits', lambda: self.waiting(path))
        self.assertEqual(1, item.count)
        self.assertEqual((0, True), (item.delay.time_left_seconds, item.delay.overdue))
        self.assertIsNone(item.last_unused_offers)
        item = self.until('offers were declined', lambda: next(
            (item for item in [self.waiting(path, embed_last_unused_offers=True)] if item.last_unused_offers), None))
        self.assertGreater(item.processed_offers_summary['processedOffersCount'], 0)
        self.assertIn('InsufficientCpus', item.last_unused_offers[0]['reason'])

    def test_a_delay_is_reset(self):
        path = self.path('failing')
        self.client.create_app(path, self.sleeper(cmd='exit 1', backoff_seconds=300, max_launch_delay_seconds=600))
        item = self.until('it is delayed', lambda: next(
            (item for item in [self.waiting(path)] if item and item.delay.time_left_seconds > 0), None))
        self.assertFalse(item.delay.overdue)
        self.client.reset_delay(path)
        self.until('it failed again', lambda: self.client.get_app(path, embed_failures=True).last_task_failure)


class YoungerThanTheClient(Case):
    """What Marathon added or dropped after the library was written, and this server does alike."""

    def test_the_client_stumbles_over_what_came_after_it_and_nothing_else(self):
        path, _ = self.create_stuck('younger')
        for member, ask in {
            'tasks_stats': lambda: self.client.get_app(path, embed_task_stats=True),
        }.items():
            with self.subTest(member), self.assertRaisesRegex(TypeError, f"unexpected keyword argument '{member}'"):
                ask()
        watch = Watch(self.client, event_types=PLAN_EVENTS)
        self.create('planned')
        self.until('it stumbled', lambda: watch.failure)
        self.assertIsInstance(watch.failure, AttributeError)


class System(Case):
    def test_the_server_says_who_it_is(self):
        info = self.client.get_info()
        self.assertIsInstance(info, MarathonInfo)
        self.assertTrue(info.elected and info.framework_id and info.version)
        self.assertEqual('marathon', info.name)
        self.assertIsNotNone(info.marathon_config.master)
        self.assertEqual({'leader': info.leader}, self.client.get_leader())
        self.assertEqual(b'pong', self.client.ping())

    def test_what_is_not_offered_is_refused_at_once(self):
        for method, (arguments, reason) in NOT_OFFERED.items():
            with self.subTest(method, reason=reason), self.assertRaises(MarathonHttpError) as refused:
                getattr(self.client, method)(*arguments)
            self.assertIn(refused.exception.status_code, (404, 405), method)
