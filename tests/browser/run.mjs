// Drives the dashboard of a real server in a real browser, as an operator would.
//
//   MARATHON_BIN=../../target/release/marathon node run.mjs
//
// MARATHON_BIN  the binary to start, with a data directory and ports of its own; or
// MARATHON_URL  a server that runs already and holds nothing below /browser-test
// CHROMIUM      the browser (default /usr/bin/chromium)
// SCREENSHOTS   a folder for one picture per page (default: none)

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { scenarios } from './scenarios.mjs';

const START_MS = 30_000;
const STOP_MS = 20_000;
const STEP_MS = 20_000;
const BROWSER_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Ports that were free a moment ago. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => new Promise((resolve, reject) => {
      const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => resolve(server));
    })),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Starts the binary and waits until it answers. */
async function startServer(binary, home) {
  const [http, master, dns, dnsHttp] = await freePorts(4);
  const url = `http://127.0.0.1:${http}`;
  const child = spawn(
    binary,
    ['up', '--data-dir', join(home, 'data'), '--http-address', `127.0.0.1:${http}`, '--master-address', `127.0.0.1:${master}`,
      '--dns-address', `127.0.0.1:${dns}`, '--dns-http-address', `127.0.0.1:${dnsHttp}`],
    { cwd: home, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  const keep = (text) => (output = (output + text).slice(-20_000));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let exited;
  const exit = new Promise((resolve) => child.once('exit', (code, signal) => resolve((exited = signal ?? code))));
  child.once('error', (error) => keep(String(error)));

  const stop = async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exit;
    clearTimeout(late);
  };
  const deadline = Date.now() + START_MS;
  while (!(await answers(url))) {
    if (exited !== undefined || Date.now() > deadline) {
      if (exited === undefined) await stop();
      throw new Error(`${binary} did not come up (exit: ${exited})\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { url, stop, output: () => output };
}

async function answers(url) {
  try {
    return (await fetch(`${url}/ping`, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
}

/** Takes back whatever the scenarios left behind, so that no task outlives the run. */
async function cleanUp(url) {
  await fetch(`${url}/v2/groups/browser-test?force=true`, { method: 'DELETE' }).catch(() => {});
  const deadline = Date.now() + STOP_MS;
  while (Date.now() < deadline) {
    const answer = await fetch(`${url}/v2/tasks`).catch(() => undefined);
    const body = await answer?.json().catch(() => undefined);
    if (!body?.tasks?.some((task) => task.appId.startsWith('/browser-test'))) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Notes what the page complains about; answers that a scenario provokes on purpose are announced to it. */
function watchComplaints(page) {
  const complaints = [];
  const allowed = [];
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    const text = `${message.text()} (${message.location().url})`;
    if (!allowed.some((pattern) => pattern.test(text))) complaints.push(text);
  });
  return { allow: (pattern) => allowed.push(pattern), take: () => complaints.splice(0) };
}

async function runScenario(scenario, context) {
  const started = Date.now();
  try {
    await scenario.run(context);
    const complaints = context.complaints.take();
    if (complaints.length > 0) throw new Error(`the page complained:\n  ${complaints.join('\n  ')}`);
    console.log(`ok      ${scenario.name} (${Date.now() - started} ms)`);
    return true;
  } catch (error) {
    console.log(`FAILED  ${scenario.name}\n${error.stack ?? error}`);
    for (const complaint of context.complaints.take()) console.log(`  page: ${complaint}`);
    if (context.shots) await context.page.screenshot({ path: join(context.shots, `failed-${Date.now()}.png`) });
    return false;
  }
}

async function main() {
  const home = await mkdtemp(join(tmpdir(), 'marathon-browser-'));
  const shots = process.env.SCREENSHOTS;
  if (shots) await mkdir(shots, { recursive: true });
  const binary = process.env.MARATHON_BIN;
  if (!binary && !process.env.MARATHON_URL) throw new Error('set MARATHON_BIN or MARATHON_URL');
  let server;
  let browser;
  let passed = 0;
  let failed = 0;
  try {
    server = binary ? await startServer(binary, home) : { url: process.env.MARATHON_URL.replace(/\/$/, ''), stop: async () => {} };
    browser = await chromium.launchPersistentContext(join(home, 'profile'), {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      headless: true,
      args: BROWSER_FLAGS,
      viewport: { width: 1280, height: 800 },
    });
    browser.setDefaultTimeout(STEP_MS);
    const page = browser.pages()[0] ?? (await browser.newPage());
    const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    const context = { page, url: server.url, axe, shots, complaints: watchComplaints(page) };
    for (const scenario of scenarios) {
      if (await runScenario(scenario, context)) passed += 1;
      else failed += 1;
    }
  } finally {
    await browser?.close();
    if (server) await cleanUp(server.url);
    await server?.stop();
    if (failed > 0 && server?.output) console.log(`last output of the server:\n${server.output()}`);
    await rm(home, { recursive: true, force: true });
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(error);
    console.log('0 passed, 1 failed');
    process.exit(1);
  },
);
