// SPDX-License-Identifier: Apache-2.0
// Drives Chromium for run_console; its lines and arguments are as browser.mjs's.
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const options = JSON.parse(process.argv[2]);
const { chromium } = createRequire(join(options.modules, 'x.js'))('playwright-core');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const TITLES = { storm: 'Clients fail to log in', drain: 'Draining', gone: 'No answer' };
const check = (name, good, detail = '') => {
  console.log(good ? `ok ${name}` : `FAIL ${name}: ${String(detail).replaceAll('\n', ' ').slice(0, 800)}`);
  return good;
};

/** Asks until the answer is true-ish; the last answer, whatever it is. */
async function until(ask, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer || Date.now() > end) return answer;
    await new Promise((done) => setTimeout(done, 200));
  }
}

async function api(method, path) {
  const answer = await fetch(`${options.admin}/v1/${path}`, { method, headers: { Authorization: `Bearer ${options.token}` } });
  return { status: answer.status, body: await answer.json() };
}

const context = await chromium.launchPersistentContext(mkdtempSync(join(options.folder, 'profile-')), {
  executablePath: options.chromium, args: FLAGS, headless: true, viewport: { width: 1280, height: 900 }, colorScheme: 'light',
});
const page = await context.newPage();
const errors = [];
const asked = [];
page.on('pageerror', (error) => errors.push(error.message));
page.on('console', (message) => { if (message.type() === 'error' && !/status of (401|404)|ERR_|Failed to load resource/.test(message.text())) errors.push(message.text()); });
page.on('request', (request) => asked.push(request.url()));
const at = (id) => page.getByTestId(id);
const shoot = (name, whole = true) => page.screenshot({ path: join(options.shots, `console-${name}.png`), fullPage: whole });
const title = () => at('state-title').innerText();
const show = (hash) => page.evaluate((to) => { location.hash = to; }, hash);

async function login() {
  await page.goto(`${options.admin}/`);
  check('console: the listener leads to it', page.url() === `${options.admin}/console/`, page.url());
  check('console: asks for the token, and is ready for it', await page.evaluate(() => document.activeElement.id) === 'token');
  await at('token').fill('a wrong token, of that there is no doubt');
  await at('enter').click();
  check('console: a wrong token is told', await until(async () => /does not know/.test(await page.locator('#login-problem').innerText())));
  check('console: and not kept', await page.evaluate(() => sessionStorage.length) === 0);
  await at('token').fill(options.token);
  await at('enter').click();
  await at('state').waitFor();
  check('console: the token is in this tab and nowhere else', await page.evaluate((token) => sessionStorage.length === 1 && localStorage.length === 0 && document.cookie === ''
    && !document.documentElement.outerHTML.includes(token), options.token));
}

async function overview() {
  check('console: says that all is well', await until(async () => await title() === 'All is well'), await title());
  const loads = await until(async () => /Mbit\/s/.test(await at('tiles').innerText()));
  check('console: shows what is relayed', loads, await at('tiles').innerText());
  check('console: draws three graphs', await page.locator('[data-testid="graphs"] canvas').count() === 3);
  const talkers = await until(async () => { const text = await at('talkers').innerText(); return text.includes(options.top) && text; });
  check('console: the top talker is the one that sends most', talkers && talkers.split('\n').find((line) => line.includes('/s'))?.includes(options.top), talkers);
  check('console: a name that is markup is text', await page.locator('main img').count() === 0 && await page.title() !== 'owned');
  // The graphs have something to show by then.
  await page.waitForTimeout(6000);
  await shoot('overview');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForTimeout(300);
  await shoot('overview-dark');
  const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  check('console: follows the dark scheme', dark === 'rgb(15, 21, 22)', dark);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 390, height: 800 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  check('console: fits on a telephone', wide <= 390, wide);
  await page.setViewportSize({ width: 1280, height: 900 });
}

async function storm() {
  const began = Date.now();
  writeFileSync(options.storm, '');
  const told = await until(async () => await title() === TITLES.storm);
  console.log(`console: failing logins were told after ${Date.now() - began} ms`);
  check('console: tells of failing logins within ten seconds', told && Date.now() - began < 10_000, await title());
  check('console: and why they fail', /wrong password/.test(await at('state-text').innerText()), await at('state-text').innerText());
  await until(async () => /wrong password/.test(await at('reasons').innerText()));
  await shoot('storm', false);
  rmSync(options.storm);
}

async function allocations() {
  await show('#/allocations');
  const rows = page.locator('[data-testid="allocations"] tbody tr');
  check('console: lists all allocations', await until(async () => await rows.count() === 9), await rows.count());
  await shoot('allocations');
  await page.locator('input[name="user"]').fill(options.nasty);
  await at('filter').click();
  check('console: filters them by a user with an odd name', await until(async () => await rows.count() === 3), await rows.count());
  check('console: and shows it as text', await page.locator('main img').count() === 0 && (await at('allocations').innerText()).includes(options.nasty));
  await page.locator('input[name="user"]').fill(options.top);
  await at('filter').click();
  await until(async () => await rows.count() === 3 && (await rows.first().innerText()).includes(options.top));
  await rows.first().getByRole('link').first().click();
  const live = await until(async () => /now .*bit\/s/.test(await at('allocation').innerText()));
  check('console: one allocation is live', live, await at('allocation').innerText());
  await shoot('allocation');
  await page.getByRole('button', { name: 'End', exact: true }).click();
  await at('dialog').waitFor();
  await page.keyboard.press('Escape');
  check('console: nothing is ended without a yes', (await api('GET', 'allocations')).body.allocations.length === 9);
  await page.getByRole('button', { name: 'End', exact: true }).click();
  await at('confirm').click();
  const ended = await until(async () => (await api('GET', 'allocations')).body.allocations.length === 8);
  check('console: ends an allocation', ended, JSON.stringify((await api('GET', 'status')).body));
  check('console: and says so', await until(async () => /over|ended/.test(await at('notice').innerText())), await at('notice').innerText());
}

async function rooms() {
  // Of the second member, a path would name the room; of the first one and the room, markup.
  const [room, peer, step] = ['tea/<i>room</i>', '<b>mallory</b>', 'x/../..'];
  const member = await context.newPage();
  await member.goto(options.home);
  await member.evaluate(async ([name, ...ids]) => {
    const { connect } = await import('/client/turnstone.js');
    window.members = ids.map((id) => connect({ peer: id }));
    for (const one of window.members) {
      await one.ready(10_000);
      await one.join(name);
    }
  }, [room, peer, step]);
  const members = () => api('GET', `members?room=${encodeURIComponent(room)}`);
  await show('#/rooms');
  const link = page.getByRole('link', { name: room });
  check('console: lists rooms', await until(async () => await link.count() === 1));
  await link.click();
  check('console: shows who is in a room', await until(async () => (await at('members').innerText()).includes(peer)), await at('members').innerText());
  await shoot('room');
  await page.locator('tr', { hasText: step }).getByTestId('kick').click();
  await page.locator('#reason').fill('я'.repeat(129));
  await at('confirm').click();
  check('console: tells of a reason that is too long', /258 bytes/.test(await at('dialog').innerText()), await at('dialog').innerText());
  await page.locator('#reason').fill('bye');
  await at('confirm').click();
  const left = await until(async () => { const { body } = await members(); return body.total === 1 && body.members[0].peer; });
  check('console: kicks a member, and nobody else, whatever its name', left === peer, JSON.stringify((await members()).body));
  await at('close-room').click();
  await at('confirm').click();
  check('console: closes a room', await until(async () => (await members()).status === 404));
  await member.close();
}

async function background() {
  await show('#/');
  const hide = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await hide(true);
  await page.waitForTimeout(11_000);
  check('console: a tab in the background does not take its own silence for the server\'s', !(await page.title()).includes(TITLES.gone), await page.title());
  await hide(false);
}

async function trouble() {
  await show('#/');
  await api('POST', 'drain');
  // Failing logins are told first as long as their half minute lasts.
  const told = await until(async () => `${await title()} ${await at('state-more').innerText()}`.includes(TITLES.drain), 10_000);
  check('console: tells that the server drains', told, await title());
  await shoot('draining', false);
  await api('DELETE', 'drain');
  process.kill(options.server, 'SIGSTOP');
  const gone = await until(async () => await title() === TITLES.gone, 15_000);
  process.kill(options.server, 'SIGCONT');
  check('console: tells that nobody answers', gone, await title());
  check('console: and goes on when somebody does', await until(async () => await title() !== TITLES.gone), await title());
}

async function leaving() {
  await page.reload();
  check('console: a reload keeps the token', await until(() => at('state').isVisible()));
  const other = await context.newPage();
  await other.goto(`${options.admin}/console/`);
  check('console: another tab has to ask', await until(() => other.getByTestId('login').isVisible()));
  await other.close();
  await at('leave').click();
  check('console: forgets the token', await at('login').isVisible() && await page.evaluate(() => sessionStorage.length) === 0);
}

try {
  for (const part of [login, overview, storm, allocations, rooms, background, trouble, leaving]) await part();
} catch (error) {
  await shoot('failed').catch(() => {});
  check('console: runs to its end', false, error.stack);
} finally {
  check('console: no error in the page', errors.length === 0, errors.join('; '));
  check('console: loads nothing from elsewhere', asked.every((url) => url.startsWith(options.admin) || url.startsWith('data:')), asked.filter((url) => !url.startsWith(options.admin)));
  check('console: no token in a URL', asked.length > 10 && asked.every((url) => !url.includes(options.token)));
  await context.close();
}
