"""Apps: creating, reading, changing, versions, and what is refused."""

from marathon import MarathonClient
from marathon.exceptions import ConflictError, MarathonHttpError, NoResponseError, NotFoundError
from marathon.models import MarathonApp, MarathonConstraint, MarathonHealthCheck
from marathon.models.app import (
    MarathonUnreachableStrategy, MarathonUpgradeStrategy, PortDefinition, ReadinessCheck, Secret)
from marathon.models.container import MarathonContainer, MarathonContainerPortMapping

from server import free_ports
from support import WEB, Case, Recorded

NOT_OFFERED = {
    '/container': {'container': MarathonContainer(docker={'image': 'library/busybox'}, port_mappings=[
        MarathonContainerPortMapping(container_port=80, host_port=0, name='web')])},
    '/networks(0)/mode': {'networks': [{'mode': 'container', 'name': 'overlay'}]},
    '/readinessChecks': {'readiness_checks': [ReadinessCheck(name='ready', protocol='HTTP', path='/', port_name='web')]},
    '/secrets': {'secrets': {'password': Secret(source='/shop/password')}},
    '/gpus': {'gpus': 1},
    '/residency': {'residency': {'taskLostBehavior': 'WAIT_FOREVER'}},
}
"""Fields of apps that this server does not offer yet, by the path under which the refusal names them."""

EMBEDS = {f'embed_{name}': True for name in (
    'tasks', 'counts', 'deployments', 'readiness', 'last_task_failure', 'failures', 'task_stats')}


class Apps(Case):
    def test_a_created_app_reads_as_it_was_written(self):
        written = self.sleeper(
            instances=2,
            env={'COLOUR': 'blue'},
            labels={'team': 'shop'},
            constraints=[MarathonConstraint('hostname', 'UNIQUE'), MarathonConstraint('hostname', 'LIKE', '127.*')],
            upgrade_strategy=MarathonUpgradeStrategy(maximum_over_capacity=0.5, minimum_health_capacity=0.5),
            unreachable_strategy=MarathonUnreachableStrategy(inactive_after_seconds=60, expunge_after_seconds=120),
            port_definitions=[PortDefinition(port=0, protocol='tcp', name='web', labels={'VIP_0': '/web:80'})],
            backoff_seconds=2, backoff_factor=1.5, max_launch_delay_seconds=30,
            kill_selection='OLDEST_FIRST', task_kill_grace_period_seconds=2, role='*')
        path = self.path('web')
        created = self.client.create_app(path, written)
        self.assertEqual(path, created.id)
        self.assertEqual(1, len(created.deployments))

        app = self.until_settled(path)
        for attribute in ('cmd', 'cpus', 'mem', 'instances', 'env', 'labels', 'constraints', 'upgrade_strategy', 'role',
                          'backoff_seconds', 'backoff_factor', 'max_launch_delay_seconds', 'kill_selection',
                          'task_kill_grace_period_seconds', 'unreachable_strategy'):
            self.assertEqual(getattr(written, attribute), getattr(app, attribute), attribute)
        [port] = app.port_definitions
        self.assertEqual(('tcp', 'web', {'VIP_0': '/web:80'}), (port.protocol, port.name, port.labels))
        self.assertGreater(port.port, 0)
        self.assertEqual([{'mode': 'host'}], app.networks)
        self.assertEqual(2, len({task.host for task in app.tasks}))

    def test_every_field_that_the_client_knows_is_accepted_as_null_or_empty(self):
        path = self.path('verbose')
        created = self.client.create_app(path, self.sleeper(), minimal=False)
        self.assertEqual(path, created.id)
        app = self.until_settled(path)
        self.until_done(self.client.update_app(path, app, minimal=False))
        self.assertEqual(1, self.until_settled(path).tasks_running)

    def test_checks_of_all_kinds_are_kept(self):
        checks = [
            MarathonHealthCheck(protocol='TCP', port_index=0, grace_period_seconds=30, interval_seconds=5, timeout_seconds=3),
            MarathonHealthCheck(protocol='COMMAND', command='true', interval_seconds=7),
            MarathonHealthCheck(protocol='HTTP', path='/', port_index=0, ignore_http1xx=True, max_consecutive_failures=9),
        ]
        path = self.path('checked')
        self.client.create_app(path, self.sleeper(instances=0, ports=[0], health_checks=checks[:2]))
        tcp, command = self.until_settled(path).health_checks
        self.assertEqual(('TCP', 0, 30, 5, 3), (
            tcp.protocol, tcp.port_index, tcp.grace_period_seconds, tcp.interval_seconds, tcp.timeout_seconds))
        self.assertEqual(({'value': 'true'}, 7), (command.command, command.interval_seconds))

        self.until_done(self.client.update_app(path, MarathonApp(health_checks=checks[2:])))
        [http] = self.client.get_app(path).health_checks
        self.assertEqual(('HTTP', '/', 9), (http.protocol, http.path, http.max_consecutive_failures))

    def test_apps_are_listed_by_filter(self):
        blue = self.create('blue', labels={'colour': 'blue'}, cmd='exec sleep 2000')
        green = self.create('green', labels={'colour': 'green'}, instances=2)

        def listed(**filters):
            return sorted(app.id for app in self.client.list_apps(**filters) if app.id.startswith(self.root))
        self.assertEqual([blue, green], listed())
        self.assertEqual([blue], listed(cmd='2000'))
        self.assertEqual([green], listed(app_id='green'))
        self.assertEqual([blue], listed(label='colour==blue'))
        self.assertEqual([blue, green], listed(label='colour in (blue, green)'))
        self.assertEqual([green], listed(instances=2))
        self.assertEqual([], listed(label='size'))

    def test_everything_can_be_embedded(self):
        path = self.create('embedded', instances=2)
        [app] = self.older.list_apps(app_id=path, **EMBEDS)
        for app in (app, self.older.get_app(path, **EMBEDS)):
            self.assertEqual({'TASK_RUNNING'}, {task.state for task in app.tasks})
            self.assertEqual((2, 0, 2), (len(app.tasks), app.tasks_staged, app.tasks_running))
            self.assertEqual([], app.deployments)
            self.assertEqual(2, app.task_stats.total_summary.stats.counts.running)
            self.assertGreaterEqual(app.task_stats.with_latest_config.stats.life_time.average_seconds, 0)
            self.assertIsNotNone(app.version_info.last_scaling_at)

    def test_a_failure_is_embedded(self):
        path = self.path('failing')
        self.client.create_app(path, self.sleeper(cmd='exit 7', backoff_seconds=1))
        app = self.until('a failure is told', lambda: next(
            (app for app in self.older.list_apps(app_id=path, **EMBEDS) if app.last_task_failure), None))
        self.assertEqual(('TASK_FAILED', path), (app.last_task_failure.state, app.last_task_failure.app_id))
        self.assertIsNotNone(app.last_task_failure.timestamp)

    def test_an_app_that_was_read_can_be_written_back(self):
        path = self.create('there-and-back', cmd=WEB, ports=[0], health_checks=[
            MarathonHealthCheck(protocol='HTTP', path='/', port_index=0, grace_period_seconds=20, interval_seconds=1)])
        app = self.older.get_app(path, **EMBEDS)
        app.env = {'NEW': 'yes'}
        self.until_done(self.client.update_app(path, app))
        app = self.until_settled(path)
        self.assertEqual({'NEW': 'yes'}, app.env)

    def test_apps_are_updated_one_by_one_and_together(self):
        path = self.create('one')
        answer = self.client.update_app(path, MarathonApp(env={'A': '1'}), force=True)
        self.assertEqual({'version', 'deploymentId'}, set(answer))
        self.until_done(answer)
        self.assertEqual({'A': '1'}, self.until_settled(path).env)

        other = self.sleeper(id=self.path('other'), instances=0)
        self.until_done(self.client.update_apps([self.sleeper(id=path, labels={'b': '2'}), other]))
        self.assertEqual({'b': '2'}, self.client.get_app(path).labels)
        self.assertEqual(0, self.client.get_app(other.id).instances)

    def test_an_app_is_scaled_and_restarted(self):
        path = self.create('scaled')
        self.until_done(self.client.scale_app(path, instances=3))
        self.assertEqual(3, self.until_settled(path).instances)
        self.until_done(self.client.scale_app(path, delta=-2))
        app = self.until_settled(path)
        self.assertEqual(1, app.instances)
        self.until_done(self.client.restart_app(path, force=True))
        self.assertNotEqual(app.tasks[0].id, self.until_settled(path).tasks[0].id)
        self.until_done(self.client.scale_app(path, instances=0))
        self.assertEqual([], self.until_settled(path).tasks)
        self.assertIsNone(self.client.scale_app(self.path('nobody'), instances=1))

    def test_versions_are_listed_read_and_rolled_back_to(self):
        path = self.create('versioned', env={'N': '1'})
        first = self.client.get_app(path).version
        self.until_done(self.client.update_app(path, MarathonApp(env={'N': '2'})))
        versions = self.client.list_versions(path)
        self.assertEqual(2, len(versions))
        self.assertIn(first, versions)
        self.assertEqual({'N': '1'}, self.client.get_version(path, first).env)
        self.until_done(self.client.rollback_app(path, first))
        self.assertEqual({'N': '1'}, self.until_settled(path).env)

    def test_a_deleted_app_is_gone(self):
        path = self.create('deleted')
        self.until_done(self.client.delete_app(path))
        with self.assertRaises(NotFoundError) as refused:
            self.client.get_app(path)
        self.assertEqual(404, refused.exception.status_code)
        self.assertEqual(f"App '{path}' does not exist", refused.exception.error_message)


class Refusals(Case):
    def test_an_app_that_exists_is_no_new_one(self):
        path = self.create('twice')
        with self.assertRaises(ConflictError) as refused:
            self.client.create_app(path, self.sleeper())
        self.assertEqual(409, refused.exception.status_code)
        self.assertIn(path, refused.exception.error_message)

    def test_an_app_being_deployed_is_locked(self):
        path, _ = self.create_stuck('locked')
        with self.assertRaises(ConflictError) as refused:
            self.client.scale_app(path, instances=2)
        self.assertIn('locked', refused.exception.error_message)
        self.assertIn('deploymentId', self.client.scale_app(path, instances=0, force=True))

    def test_an_impossible_app_is_explained(self):
        with self.assertRaises(MarathonHttpError) as refused:
            self.client.create_app(self.path('impossible'), self.sleeper(mem=-1))
        self.assertIs(MarathonHttpError, type(refused.exception))
        self.assertEqual(422, refused.exception.status_code)
        [detail] = refused.exception.error_details
        self.assertEqual({'path', 'errors'}, set(detail))
        self.assertEqual('/mem', detail['path'])

    def test_a_field_that_is_not_offered_is_named(self):
        for path, fields in NOT_OFFERED.items():
            with self.subTest(path), self.assertRaises(MarathonHttpError) as refused:
                self.client.create_app(self.path('refused'), self.sleeper(**fields))
            self.assertEqual(422, refused.exception.status_code)
            self.assertIn(path, [detail['path'] for detail in refused.exception.error_details])

    def test_what_is_unknown_is_not_found(self):
        nobody = self.path('nobody')
        for ask in (
            lambda: self.client.get_app(nobody),
            lambda: self.client.restart_app(nobody),
            lambda: self.client.delete_app(nobody),
            lambda: self.client.list_versions(nobody),
            lambda: self.client.get_version(nobody, '2020-01-01T00:00:00.000Z'),
            lambda: self.client.list_tasks(nobody),
            lambda: self.client.kill_tasks(nobody),
            lambda: self.client.kill_task(nobody, 'none'),
            lambda: self.client.get_group(nobody),
            lambda: self.client.scale_group(nobody, 2),
            lambda: self.client.delete_group(nobody),
            lambda: self.client.delete_deployment('none'),
            lambda: self.client.reset_delay(nobody),
        ):
            with self.assertRaises(NotFoundError):
                ask()

    def test_a_server_that_is_away_is_passed_over(self):
        away = 'http://127.0.0.1:%d' % free_ports(1)[0]
        self.assertEqual(b'pong', Recorded(MarathonClient([away, self.url])).ping())
        with self.assertRaises(NoResponseError):
            MarathonClient(away).ping()
