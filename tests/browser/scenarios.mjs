// What an operator does, in order: each scenario starts from what the ones before it left.

import assert from 'node:assert/strict';
import { join } from 'node:path';

const APP = '/browser-test/hello';
const LINE = 'hello from the browser test';
const WAIT_MS = 30_000;

const definition = {
  id: APP,
  cmd: `echo '${LINE}'; echo 'and to stderr' >&2; exec sleep 3600`,
  cpus: 0.1,
  mem: 32,
  instances: 1,
};

const instanceRows = (page) => page.getByRole('region', { name: 'Instances' }).locator('tbody tr');
const runningRows = (page) => instanceRows(page).filter({ hasText: /running/ });
const dialog = (page) => page.getByRole('dialog');

async function open(page, url, hash) {
  await page.goto(`${url}/ui/${hash}`);
}

/** Waits until `read` gives what `accept` takes. */
async function until(what, read, accept) {
  const deadline = Date.now() + WAIT_MS;
  let last;
  while (Date.now() < deadline) {
    last = await read();
    if (accept(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: still ${JSON.stringify(last)} after ${WAIT_MS} ms`);
}

/** A mark inside the page that a reload would wipe out. */
const setMark = (page) => page.evaluate(() => void (window.notReloaded = true));
const hasMark = (page) => page.evaluate(() => window.notReloaded === true);

async function apiGet(url, path) {
  const answer = await fetch(url + path);
  return { status: answer.status, body: await answer.json().catch(() => undefined) };
}

/** Fails on any violation of the accessibility rules in what is shown now. */
async function checkAccessible({ page, axe, shots }, name) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`) });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  const told = violations.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join(' | ')}`);
  assert.deepEqual(told, [], `accessibility of ${name}`);
}

async function fits(page) {
  return page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
}

/** Waits until nothing changes an app any more. */
async function deploymentsDone(url, app = APP) {
  const running = async () => (await apiGet(url, '/v2/deployments')).body.filter((one) => one.affectedApps.includes(app));
  await until(`deployments of ${app}`, running, (deployments) => deployments.length === 0);
}

export const scenarios = [
  {
    name: 'the address of the server leads to the dashboard, and an empty one tells how to begin',
    async run({ page, url }) {
      await page.goto(url);
      await page.waitForURL(/\/ui\//);
      await page.getByRole('heading', { name: 'Applications' }).waitFor();
      const { body } = await apiGet(url, '/v2/apps');
      if (body.apps.length === 0) await page.getByRole('button', { name: /Create the first application/ }).waitFor();
      await page.getByText('live', { exact: true }).waitFor();
    },
  },
  {
    name: 'a body that the server refuses shows each error with its path, and creates nothing',
    async run({ page, url, complaints }) {
      complaints.allow(/status of 422.*\/v2\/apps/);
      await open(page, url, '#/apps');
      await page.getByRole('banner').getByRole('button', { name: 'Create…' }).click();
      const editor = dialog(page).getByLabel('Definition (JSON)');
      await editor.fill(JSON.stringify({ ...definition, instances: -1 }, null, 2));
      await dialog(page).getByRole('button', { name: 'Create application' }).click();
      await dialog(page).getByRole('alert').getByRole('button', { name: '/instances' }).click();
      const selected = await editor.evaluate((area) => area.value.slice(area.selectionStart, area.selectionEnd));
      assert.equal(selected, '-1', 'the error leads to its place in the text');
      assert.equal((await apiGet(url, `/v2/apps${APP}`)).status, 404);

      await editor.fill('{ "id": ');
      assert.ok(await dialog(page).getByRole('button', { name: 'Create application' }).isDisabled());
      await page.keyboard.press('Escape');
      await dialog(page).waitFor({ state: 'detached' });
    },
  },
  {
    name: 'an app created in the dialog comes up before one’s eyes',
    async run({ page, url }) {
      await open(page, url, '#/apps');
      await setMark(page);
      await page.getByRole('banner').getByRole('button', { name: 'Create…' }).click();
      await dialog(page).getByLabel('Definition (JSON)').fill(JSON.stringify(definition, null, 2));
      await dialog(page).getByRole('button', { name: 'Create application' }).click();
      await page.getByRole('heading', { name: APP, level: 1 }).waitFor();
      await runningRows(page).first().waitFor({ timeout: WAIT_MS });
      assert.ok(await hasMark(page), 'without a reload');
      await deploymentsDone(url);
      await page.locator('.bar').getByText('running', { exact: true }).waitFor();
    },
  },
  {
    name: 'the tree shows the app in its group, can be filtered, and follows what others do',
    async run({ page, url }) {
      await open(page, url, '#/apps');
      const row = page.getByRole('row', { name: /hello/ });
      await row.getByText('1/1').waitFor();
      await page.getByRole('button', { name: 'Group browser-test' }).click();
      await row.waitFor({ state: 'detached' });
      await page.getByLabel('Filter by id or label').fill('no such app');
      await page.getByText('No application matches.').waitFor();
      await page.getByLabel('Filter by id or label').fill('browser-test/he');
      await row.waitFor();

      await setMark(page);
      const other = { ...definition, id: '/browser-test/other' };
      const post = (method, path, body) =>
        fetch(url + path, { method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
      await page.getByLabel('Filter by id or label').fill('');
      assert.equal((await post('POST', '/v2/apps', other)).status, 201);
      await page.getByRole('link', { name: 'other' }).or(page.getByRole('button', { name: 'Group browser-test' })).first().waitFor();
      if (!(await page.getByRole('link', { name: 'other' }).isVisible())) {
        await page.getByRole('button', { name: 'Group browser-test' }).click();
      }
      await page.getByRole('row', { name: /other/ }).getByText('1/1').waitFor({ timeout: WAIT_MS });
      assert.equal((await post('DELETE', '/v2/apps/browser-test/other')).status, 200);
      await page.getByRole('link', { name: 'other' }).waitFor({ state: 'detached', timeout: WAIT_MS });
      assert.ok(await hasMark(page), 'without a reload');
      await deploymentsDone(url, '/browser-test/other');
    },
  },
  {
    name: 'scaling shows the new instances',
    async run({ page, url }) {
      await open(page, url, `#/apps${APP}`);
      await setMark(page);
      await page.getByRole('button', { name: 'Scale…' }).click();
      await dialog(page).getByLabel('Instances').fill('3');
      await dialog(page).getByRole('button', { name: 'Scale' }).click();
      await dialog(page).waitFor({ state: 'detached' });
      await until('running instances', () => runningRows(page).count(), (count) => count === 3);
      await page.getByText('of 3 running').waitFor();
      assert.ok(await hasMark(page), 'without a reload');
      await deploymentsDone(url);
    },
  },
  {
    name: 'the output of an instance can be read',
    async run({ page, url }) {
      await open(page, url, `#/apps${APP}`);
      await instanceRows(page).first().getByRole('link', { name: /^stdout/ }).click();
      await page.getByRole('region', { name: 'stdout, its end' }).getByText(LINE).waitFor({ timeout: WAIT_MS });
      await page.getByRole('link', { name: 'stderr', exact: true }).click();
      await page.getByRole('region', { name: 'stderr, its end' }).waitFor();
      assert.equal(await page.getByText(LINE).count(), 0, 'what went to stdout is not in stderr');
    },
  },
  {
    name: 'a restart replaces every task',
    async run({ page, url }) {
      const tasks = async () => (await apiGet(url, `/v2/apps${APP}`)).body.app.tasks.map((task) => task.id);
      const before = new Set(await tasks());
      await open(page, url, `#/apps${APP}`);
      await page.getByRole('button', { name: 'Restart…' }).click();
      await dialog(page).getByRole('button', { name: 'Restart' }).click();
      await dialog(page).waitFor({ state: 'detached' });
      await until('tasks', tasks, (ids) => ids.length === 3 && ids.every((id) => !before.has(id)));
      await until('running instances', () => runningRows(page).count(), (count) => count === 3);
      await deploymentsDone(url);
    },
  },
  {
    name: 'an edit is deployed, and an older version can be applied again',
    async run({ page, url }) {
      const label = async () => (await apiGet(url, `/v2/apps${APP}`)).body.app.labels?.edited;
      await open(page, url, `#/apps${APP}`);
      await page.getByRole('button', { name: 'Edit…' }).click();
      const editor = dialog(page).getByLabel('Definition (JSON)');
      const edited = JSON.parse(await editor.inputValue());
      assert.equal(edited.version, undefined, 'the editor offers the definition only');
      edited.labels = { edited: 'yes' };
      await editor.fill(JSON.stringify(edited, null, 2));
      await dialog(page).getByText('Changes 1 field: labels.').waitFor();
      await dialog(page).getByRole('button', { name: 'Save and deploy' }).click();
      await dialog(page).waitFor({ state: 'detached' });
      await until('the label', label, (value) => value === 'yes');
      await deploymentsDone(url);

      await page.getByRole('link', { name: 'Configuration' }).click();
      const versions = page.locator('section', { has: page.getByRole('heading', { name: 'Versions' }) }).getByRole('listitem');
      await until('versions', () => versions.count(), (count) => count >= 2);
      await versions.nth(1).getByRole('button').click();
      await page.getByRole('region', { name: 'Differences' }).getByText('labels').waitFor();
      await page.getByRole('button', { name: 'Apply this version…' }).click();
      await dialog(page).getByRole('button', { name: 'Apply' }).click();
      await dialog(page).waitFor({ state: 'detached' });
      await until('the label', label, (value) => value === undefined);
      await deploymentsDone(url);
    },
  },
  {
    name: 'a killed task is replaced, and killing with scale is not',
    async run({ page, url }) {
      const tasks = async () => (await apiGet(url, `/v2/apps${APP}`)).body.app.tasks.map((task) => task.id);
      const kill = async (item) => {
        await instanceRows(page).first().getByRole('button', { name: /^Actions for task/ }).click();
        await page.getByRole('menuitem', { name: item, exact: true }).click();
        const victim = await dialog(page).locator('code').first().textContent();
        await dialog(page).getByRole('button', { name: item.replace('…', ''), exact: true }).click();
        await dialog(page).waitFor({ state: 'detached' });
        return victim;
      };
      // A row must not vanish under its menu: nothing of an earlier version may be left to be replaced.
      await deploymentsDone(url);
      await until('tasks', tasks, (ids) => ids.length === 3);
      await open(page, url, `#/apps${APP}`);
      await until('running instances', () => runningRows(page).count(), (count) => count === 3);
      const first = await kill('Kill…');
      await until('tasks', tasks, (ids) => ids.length === 3 && !ids.includes(first));
      await until('running instances', () => runningRows(page).count(), (count) => count === 3);
      await kill('Kill and scale…');
      await until('running instances', () => runningRows(page).count(), (count) => count === 2);
      await page.getByText('of 2 running').waitFor();
      await deploymentsDone(url);
    },
  },
  {
    name: 'an app that no agent can take says why, and its deployment can be rolled back',
    async run({ page, url, complaints }) {
      complaints.allow(/status of 404.*\/v2\/apps\/browser-test\/huge/);
      await open(page, url, '#/apps');
      await page.getByRole('banner').getByRole('button', { name: 'Create…' }).click();
      const huge = { ...definition, id: '/browser-test/huge', cpus: 100_000 };
      await dialog(page).getByLabel('Definition (JSON)').fill(JSON.stringify(huge));
      await dialog(page).getByRole('button', { name: 'Create application' }).click();
      const why = page.getByRole('region', { name: 'Why is it not running?' });
      await why.getByText(/InsufficientCpus/).first().waitFor({ timeout: WAIT_MS });
      await page.getByRole('link', { name: /^Deployments/ }).click();
      await page.getByRole('heading', { name: 'Deployments', level: 1 }).waitFor();
      await page.getByText(/not enough CPUs left/).waitFor({ timeout: WAIT_MS });
      await page.getByRole('button', { name: 'Roll back…' }).click();
      await dialog(page).getByRole('button', { name: 'Roll back' }).click();
      await page.getByText('No deployment is running.').waitFor({ timeout: WAIT_MS });
      const status = async () => (await apiGet(url, '/v2/apps/browser-test/huge')).status;
      await until('the app of the rolled back deployment', status, (code) => code === 404);
    },
  },
  {
    name: 'a change of a locked app is refused with the deployment’s id, and can be forced',
    async run({ page, url, complaints }) {
      complaints.allow(/status of 409.*\/v2\/apps\/browser-test\/hello/);
      const put = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"cpus": 100000}' };
      const { deploymentId } = await (await fetch(`${url}/v2/apps${APP}`, put)).json();
      await open(page, url, `#/apps${APP}`);
      await page.getByRole('button', { name: 'Edit…' }).click();
      const editor = dialog(page).getByLabel('Definition (JSON)');
      await editor.fill(JSON.stringify({ ...JSON.parse(await editor.inputValue()), cpus: 0.1, instances: 1 }, null, 2));
      await dialog(page).getByRole('button', { name: 'Save and deploy' }).click();
      await dialog(page).getByRole('alert').getByText(deploymentId).waitFor();
      await dialog(page).getByRole('button', { name: 'Force' }).click();
      await dialog(page).waitFor({ state: 'detached' });
      await deploymentsDone(url);
      await until('running instances', () => runningRows(page).count(), (count) => count === 1);
    },
  },
  {
    name: 'the events of all this were shown, can be filtered and paused',
    async run({ page, url }) {
      await open(page, url, '#/events');
      await page.getByRole('button', { name: 'event_stream_attached' }).first().waitFor();
      const restart = await fetch(`${url}/v2/apps${APP}/restart`, { method: 'POST' });
      assert.equal(restart.status, 200);
      await page.getByLabel('Filter events').fill('status_update_event TASK_RUNNING');
      await page.getByRole('button', { name: 'status_update_event' }).first().waitFor({ timeout: WAIT_MS });
      assert.equal(await page.getByRole('button', { name: 'deployment_info' }).count(), 0);
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.getByRole('button', { name: /^Resume/ }).click();
      await deploymentsDone(url);
    },
  },
  {
    name: 'every page is accessible, light and dark, and fits a phone',
    async run(context) {
      const { page, url } = context;
      const places = {
        applications: '#/apps',
        app: `#/apps${APP}`,
        configuration: `#/apps${APP}?tab=configuration`,
        deployments: '#/deployments',
        queue: '#/queue',
        events: '#/events',
        unknown: '#/nowhere',
      };
      const forms = [
        { name: 'light', scheme: 'light', width: 1280 },
        { name: 'dark', scheme: 'dark', width: 1280 },
        { name: 'phone', scheme: 'light', width: 390 },
      ];
      for (const form of forms) {
        await page.emulateMedia({ colorScheme: form.scheme });
        await page.setViewportSize({ width: form.width, height: 800 });
        for (const [name, hash] of Object.entries(places)) {
          await open(page, url, hash);
          await page.getByRole('heading', { level: 1 }).first().waitFor();
          await page.getByText(/^Loading/).first().waitFor({ state: 'detached' });
          await checkAccessible(context, `${name}-${form.name}`);
          assert.ok(await fits(page), `${name} fits ${form.width} pixels`);
        }
        await open(page, url, `#/apps${APP}`);
        await instanceRows(page).first().getByRole('link', { name: /^stdout/ }).click();
        await page.getByRole('region', { name: 'stdout, its end' }).waitFor();
        await checkAccessible(context, `log-${form.name}`);
        await open(page, url, `#/apps${APP}`);
        for (const button of ['Create…', 'Scale…', 'Edit…', 'Destroy…']) {
          await page.getByRole('button', { name: button }).click();
          await dialog(page).waitFor();
          await checkAccessible(context, `${button.replace('…', '').toLowerCase()}-${form.name}`);
          await page.keyboard.press('Escape');
          await dialog(page).waitFor({ state: 'detached' });
        }
      }
      await page.emulateMedia({ colorScheme: null });
      await page.setViewportSize({ width: 1280, height: 800 });
    },
  },
  {
    name: 'the keyboard alone reaches a dialog and leaves it',
    async run({ page, url }) {
      await open(page, url, '#/apps');
      const actions = page.getByRole('button', { name: `Actions for ${APP}` });
      await actions.focus();
      await page.keyboard.press('Enter');
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await dialog(page).getByRole('heading', { name: `Restart ${APP}` }).waitFor();
      await page.keyboard.press('Escape');
      await dialog(page).waitFor({ state: 'detached' });
      assert.ok(await actions.evaluate((button) => button === document.activeElement), 'focus returns to where it was');
    },
  },
  {
    name: 'an app is destroyed only after a confirmation, and vanishes',
    async run({ page, url, complaints }) {
      complaints.allow(/status of 404.*\/v2\/apps\/browser-test\/hello/);
      await open(page, url, `#/apps${APP}`);
      await setMark(page);
      await page.getByRole('button', { name: 'Destroy…' }).click();
      await dialog(page).getByRole('button', { name: 'Cancel' }).click();
      await dialog(page).waitFor({ state: 'detached' });
      assert.equal((await apiGet(url, `/v2/apps${APP}`)).status, 200);
      await page.getByRole('button', { name: 'Destroy…' }).click();
      await dialog(page).getByRole('button', { name: `Destroy ${APP}` }).click();
      await page.waitForURL(/#\/apps$/);
      await page.getByRole('link', { name: 'hello', exact: true }).waitFor({ state: 'detached', timeout: WAIT_MS });
      assert.ok(await hasMark(page), 'without a reload');
      assert.equal((await apiGet(url, `/v2/apps${APP}`)).status, 404);
      await deploymentsDone(url);
    },
  },
  {
    name: 'a group is destroyed only after its id was typed',
    async run({ page, url }) {
      await open(page, url, '#/apps');
      await page.getByRole('button', { name: 'Actions for group /browser-test' }).click();
      await page.getByRole('menuitem', { name: 'Destroy group…' }).click();
      const destroy = dialog(page).getByRole('button', { name: 'Destroy /browser-test' });
      assert.ok(await destroy.isDisabled());
      await dialog(page).getByRole('textbox').fill('/browser-test');
      await destroy.click();
      await page.getByRole('button', { name: 'Group browser-test' }).waitFor({ state: 'detached', timeout: WAIT_MS });
      assert.equal((await apiGet(url, '/v2/groups/browser-test')).status, 404);
    },
  },
];
