"""Tasks: listing and killing."""

from marathon.models import MarathonHealthCheck
from marathon.models.task import MarathonTask

from support import WEB, Case


class Tasks(Case):
    def ids(self, path):
        return {task.id for task in self.client.list_tasks(path)}

    def until_replaced(self, path, gone, count):
        def replaced():
            tasks = self.client.list_tasks(path)
            running = {task.id for task in tasks if task.state == 'TASK_RUNNING'}
            return len(running) == count == len(tasks) and not running & set(gone)
        self.until('the tasks are replaced', replaced)

    def test_tasks_are_listed_with_their_addresses(self):
        path = self.create('listed', instances=2, ports=[0, 0])
        everywhere = [task for task in self.client.list_tasks(state='TASK_RUNNING') if task.app_id == path]
        for tasks in (self.client.list_tasks(path), everywhere):
            self.assertEqual(2, len(tasks))
            for task in tasks:
                self.assertEqual((path, 2, 2), (task.app_id, len(task.ports), len(task.service_ports)))
                self.assertEqual('IPv4', task.ip_addresses[0].protocol)
                self.assertLessEqual(task.staged_at, task.started_at)
        endpoints = [endpoint for endpoint in self.client.list_endpoints() if endpoint.app_id == path]
        self.assertEqual(4, len(endpoints))
        self.assertEqual(2, len({endpoint.service_port for endpoint in endpoints}))
        self.assertTrue(all(endpoint.host and endpoint.task_port > 0 for endpoint in endpoints))

    def test_a_task_says_how_healthy_it_is(self):
        check = MarathonHealthCheck(protocol='HTTP', path='/', port_index=0, grace_period_seconds=20, interval_seconds=1)
        path = self.create('healthy', cmd=WEB, ports=[0], health_checks=[check])
        self.until('it is healthy', lambda: self.client.get_app(path).tasks_healthy == 1)
        [task] = self.client.list_tasks(path)
        [result] = task.health_check_results
        self.assertTrue(result.alive)
        self.assertEqual((0, task.id), (result.consecutive_failures, result.task_id or task.id))
        self.assertLessEqual(result.first_success, result.last_success)

    def test_one_task_is_killed(self):
        path = self.create('one', instances=2)
        [first, second] = sorted(self.ids(path))
        killed = self.client.kill_task(path, first)
        self.assertIsInstance(killed, MarathonTask)
        self.assertEqual((first, path), (killed.id, killed.app_id))
        self.until_replaced(path, [first], 2)
        self.assertIn(second, self.ids(path))
        answer = self.client.kill_task(path, second, scale=True)
        self.assertIn('deploymentId', answer)
        self.until_done(answer)
        self.assertEqual(1, self.client.get_app(path).instances)

    def test_all_tasks_of_an_app_are_killed(self):
        path = self.create('all', instances=2)
        before = self.ids(path)
        killed = self.client.kill_tasks(path)
        self.assertEqual(before, {task.id for task in killed})
        self.until_replaced(path, before, 2)

        task = self.client.list_tasks(path)[0]
        here = {other.id for other in self.client.list_tasks(path, host=task.host)}
        self.assertEqual(here, {task.id for task in self.client.kill_tasks(path, host=task.host, wipe=True)})
        self.until_replaced(path, here, 2)

        self.until_done(self.client.kill_tasks(path, scale=True))
        self.assertEqual(0, self.client.get_app(path).instances)

    def test_tasks_are_killed_in_batches(self):
        path = self.create('batches', instances=2)
        before = self.ids(path)
        # The generator inside the library ends with StopIteration, which is a RuntimeError since Python 3.7.
        with self.assertRaisesRegex(RuntimeError, 'StopIteration'):
            self.client.kill_tasks(path, batch_size=2, batch_delay=1)
        self.until_replaced(path, before, 2)

    def test_given_tasks_are_killed(self):
        one, other = self.create('one'), self.create('other', instances=2)
        given = sorted(self.ids(one) | self.ids(other))
        self.assertTrue(self.client.kill_given_tasks(given))
        self.until_replaced(one, given, 1)
        self.until_replaced(other, given, 2)
        self.assertTrue(self.client.kill_given_tasks(sorted(self.ids(other)), scale=True, force=True))
        self.until_settled()
        self.assertEqual(0, self.client.get_app(other).instances)
        self.assertEqual(1, self.client.get_app(one).instances)
