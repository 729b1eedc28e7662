"""Groups."""

from marathon.exceptions import ConflictError, MarathonHttpError, NotFoundError
from marathon.models import MarathonGroup

from support import Case


class Groups(Case):
    def group(self, **more):
        back = self.sleeper(id='back')
        front = self.sleeper(id='front', dependencies=[self.path('back')], instances=2)
        return MarathonGroup(id=self.root, apps=[back, front], **more)

    def test_a_group_is_created_and_read(self):
        inner = MarathonGroup(id='inner', apps=[self.sleeper(id='x', instances=0)])
        answer = self.client.create_group(self.group(groups=[inner]))
        self.assertIn('version', answer)
        self.until_settled()
        group = self.client.get_group(self.root)
        self.assertEqual(self.root, group.id)
        self.assertEqual([self.path('back'), self.path('front')], sorted(app.id for app in group.apps))
        [inner] = group.groups
        self.assertEqual(self.path('inner/x'), inner.apps[0].id)
        self.assertEqual([self.root], [group.id for group in self.client.list_groups(id=self.root)])
        self.assertIn(self.root, [group.id for group in self.client.get_group('/').groups])

    def test_a_group_is_updated_and_scaled(self):
        self.client.create_group(self.group())
        self.until_settled()
        changed = self.group()
        changed.apps[1].env = {'SIDE': 'front'}
        answer = self.client.update_group(self.root, changed)
        self.assertEqual({'version', 'deploymentId'}, set(answer))
        self.until_done(answer)
        self.assertEqual({'SIDE': 'front'}, self.client.get_app(self.path('front')).env)
        self.until_done(self.client.scale_group(self.root, 2))
        self.assertEqual((2, 4), tuple(self.client.get_app(self.path(name)).instances for name in ('back', 'front')))

    def test_a_group_that_was_read_can_be_written_back(self):
        self.client.create_group(self.group())
        self.until_settled()
        group = self.client.get_group(self.root)
        group.apps[0].labels = {'read': 'written'}
        self.until_done(self.client.update_group(self.root, group))
        self.assertEqual(1, len(self.client.list_apps(label='read==written')))

    def test_a_deleted_group_is_gone(self):
        self.client.create_group(self.group())
        self.until_settled()
        self.until_done(self.client.delete_group(self.root, force=True))
        with self.assertRaises(NotFoundError):
            self.client.get_group(self.root)
        self.assertEqual([], self.tasks_below())

    def test_a_group_that_exists_is_no_new_one(self):
        self.client.create_group(self.group())
        with self.assertRaises(ConflictError):
            self.client.create_group(self.group())

    def test_the_way_in_which_the_client_rolls_groups_back_is_refused(self):
        # It sends PUT …/versions/{version} without a body; a version goes into the body of PUT /v2/groups/{id}.
        self.client.create_group(self.group())
        self.until_settled()
        version = self.client.get_group(self.root).version
        with self.assertRaises(MarathonHttpError) as refused:
            self.client.rollback_group(self.root, version)
        self.assertEqual(422, refused.exception.status_code)
