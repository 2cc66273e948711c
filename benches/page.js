// How heavy the first page is and how soon it can be used: from the start of the navigation until the password field has
// the focus, in a browser that has never seen the page. Run after `./test` has fetched what drives the browser:
//   POSTERN_BINARY=$PWD/target/release/postern node benches/page.js
import { launch } from '../tests/browser/browser.js';
import { PLAIN, Postern } from '../tests/browser/postern.js';

const ROUNDS = 15;
const median = (figures) => figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)];

async function once(browser, postern) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  const seen = { bytes: 0, requests: 0 };
  cdp.on('Network.loadingFinished', ({ encodedDataLength }) => {
    seen.bytes += encodedDataLength;
    seen.requests += 1;
  });
  await page.addInitScript(() => {
    globalThis.usable = new Promise((resolve) => {
      addEventListener('focusin', ({ target }) => {
        if (target.type === 'password') resolve(performance.now());
      });
    });
  });
  await page.goto(`${postern.base}/login`);
  seen.usable = await page.evaluate(() => globalThis.usable);
  await page.waitForLoadState('networkidle');
  await context.close();
  return seen;
}

console.log('| what | goal | measured | |\n|---|---|---|---|');
for (const [name, environment] of [['TLS, HTTP/2', {}], ['plain HTTP/1.1', PLAIN]]) {
  const postern = await Postern.start(environment);
  const browser = await launch(postern);
  try {
    await once(browser, postern);
    const all = [];
    for (let round = 0; round < ROUNDS; round += 1) all.push(await once(browser, postern));
    const of = (what) => Math.round(median(all.map((seen) => seen[what])));
    const [bytes, usable] = [of('bytes'), of('usable')];
    const met = bytes <= 100_000 && usable < 200;
    console.log(
      `| the first page over ${name}, until the password field has the focus | < 200 ms, ≤ 100 KB ` +
        `| ${usable} ms, ${bytes.toLocaleString('en')} bytes in ${of('requests')} requests | ${met ? 'met' : '**missed**'} |`,
    );
  } finally {
    await browser.close();
    await postern.end();
  }
}
