"""The event stream."""

from marathon.models import MarathonApp, MarathonHealthCheck
from marathon.models.deployment import MarathonDeploymentPlan
from marathon.models.events import MarathonDeploymentSuccess, MarathonStatusUpdateEvent

from support import READABLE, WEB, Case, Watch, WholeWatch

EXPECTED = {
    'event_stream_attached', 'api_post_event', 'group_change_success', 'deployment_info', 'deployment_step_success',
    'deployment_success', 'deployment_failed', 'status_update_event', 'instance_changed_event', 'app_terminated_event',
    'add_health_check_event', 'remove_health_check_event', 'failed_health_check_event', 'health_status_changed_event',
    'instance_health_changed_event', 'unhealthy_instance_kill_event',
}
"""What a run of all cases must have shown; no more than the client knows, or it would have stopped reading."""


class Events(Case):
    def test_a_deployment_is_told_from_its_beginning_to_its_end(self):
        watch = WholeWatch(self.client)
        self.until('the stream is attached', lambda: watch.types()[:1] == ['event_stream_attached'])
        path = self.create('told')
        self.until('the end is told', lambda: 'deployment_success' in watch.types())
        self.assertIsNone(watch.failure)

        types = watch.types()
        for story in (
            ['event_stream_attached', 'group_change_success', 'deployment_info', 'deployment_step_success',
             'deployment_success'],
            ['deployment_info', 'instance_changed_event', 'status_update_event', 'deployment_success'],
        ):
            self.assertEqual(story, sorted(story, key=types.index))
        [posted] = watch.of('api_post_event')
        self.assertEqual((path, '/v2/apps'), (posted.app_definition['id'], posted.uri))
        info = watch.of('deployment_info')[0]
        self.assertIsInstance(info.plan, MarathonDeploymentPlan)
        self.assertEqual([('StartApplication', path), ('ScaleApplication', path)],
                         [(action.action, action.app) for step in info.plan.steps for action in step.actions])
        self.assertEqual(info.plan.id, watch.of('deployment_success')[0].id)
        running = [event for event in watch.of('status_update_event') if event.task_status == 'TASK_RUNNING']
        self.assertEqual(path, running[0].app_id)
        self.assertTrue(running[0].host and running[0].slave_id and running[0].version)
        changed = [event.condition for event in watch.of('instance_changed_event')]
        self.assertIn('Running', changed)

    def test_only_the_chosen_events_are_told(self):
        chosen = Watch(self.client, event_types=[MarathonDeploymentSuccess, 'status_update_event'])
        raw = Watch(self.client, raw=True, event_types=['deployment_success'])
        path = self.create('chosen')
        self.until_done(self.client.delete_app(path))
        self.until('both ends are told', lambda: len(chosen.of('deployment_success')) == 2 and len(raw.events) == 2)
        self.assertEqual({MarathonDeploymentSuccess, MarathonStatusUpdateEvent}, {type(event) for event in chosen.events})
        self.assertTrue(all('"eventType":"deployment_success"' in text for text in raw.events), raw.events)

    def test_health_is_told(self):
        watch = Watch(self.client, event_types=READABLE)
        check = MarathonHealthCheck(
            protocol='HTTP', path='/', port_index=0, grace_period_seconds=1, interval_seconds=1, timeout_seconds=1,
            max_consecutive_failures=2)
        path = self.create('healthy', cmd=WEB, ports=[0], health_checks=[check])
        self.until('it is told as healthy', lambda: any(
            event.app_id == path and getattr(event, 'alive', False) for event in watch.of('health_status_changed_event')))
        check.path = '/missing'
        self.client.update_app(path, MarathonApp(health_checks=[check]))
        self.until('a failure is told', lambda: watch.of('failed_health_check_event'))
        self.until('a kill is told', lambda: watch.of('unhealthy_instance_kill_event'))
        self.client.delete_app(path, force=True)
        self.until('the end of the check is told', lambda: watch.of('remove_health_check_event'))
        self.assertIsNone(watch.failure)
        added = watch.of('add_health_check_event')[0]
        self.assertEqual((path, 'HTTP'), (added.app_id, added.health_check.protocol))

    def test_a_cancelled_deployment_is_told(self):
        watch = Watch(self.client, event_types=READABLE)
        _, deployment = self.create_stuck('cancelled')
        self.client.delete_deployment(deployment, force=True)
        self.until('its failure is told', lambda: deployment in [event.id for event in watch.of('deployment_failed')])
