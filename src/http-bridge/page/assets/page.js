// Live parts and keys. Everything can be read and decided without this script.

// -- keys ------------------------------------------------------------------

const typing = (element) =>
  element instanceof HTMLElement && element.matches('input, textarea, select, [contenteditable]');

const rows = () => [...document.querySelectorAll('[data-row]')];

function moveTo(step) {
  const all = rows();
  if (all.length === 0) return;
  const at = all.indexOf(document.activeElement);
  all[Math.min(all.length - 1, Math.max(0, at + step))].focus();
}

const keys = {
  j: () => moveTo(1),
  k: () => moveTo(-1),
  a: () => document.querySelector('.approve :is(input:not([type=hidden]), textarea, button)')?.focus(),
  r: () => document.getElementById('reason')?.focus(),
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape' && typing(document.activeElement)) return document.activeElement.blur();
  if (typing(event.target) || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

// -- times -----------------------------------------------------------------

const units = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

function freshenTimes() {
  for (const time of document.querySelectorAll('time[data-ago]')) {
    const ms = Date.now() - Number(time.dataset.ago);
    const unit = units.find(([size]) => Math.abs(ms) >= size);
    if (ms < 5000 || unit === undefined) continue;
    time.textContent = `${Math.floor(ms / unit[0])} ${unit[1]} ago`;
  }
}
setInterval(freshenTimes, 30_000);

// -- live ------------------------------------------------------------------

/** A form is on its way: its answer is the next page, and nothing else may lead away before. */
let sending = false;
document.addEventListener('submit', (event) => (sending ||= !event.defaultPrevented));
addEventListener('pageshow', () => (sending = false));

/** Loads the page anew and takes over what is marked as live; focus stays where it was. */
async function refresh() {
  if (sending) return;
  const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
  if (sending) return;
  // Signed out, or decided elsewhere: the page is another one now.
  if (answer.redirected) return location.assign(answer.url);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const back = focusIn(document.activeElement);
  for (const old of document.querySelectorAll('[data-live][id]')) {
    const now = fresh.getElementById(old.id);
    if (
      now === null ||
      now.outerHTML === old.outerHTML ||
      old.contains(document.activeElement?.closest('input, textarea'))
    )
      continue;
    old.replaceWith(document.adoptNode(now));
  }
  back();
  document.title = fresh.title;
  document.body.dataset.seq = fresh.body.dataset.seq ?? '';
  freshenTimes();
  tellOfMore();
}

/** A way back to where the focus is, after the part around it was replaced: a row by where it leads, others by their place. */
function focusIn(element) {
  const part = element?.closest('[data-live][id]');
  if (part == null) return () => {};
  const inside = () => [
    ...(document.getElementById(part.id)?.querySelectorAll('a, button, summary, [tabindex]') ?? []),
  ];
  const href = element.closest('[data-row]')?.getAttribute('href');
  const at = inside().indexOf(element);
  return () => {
    if (element.isConnected) return;
    const found = href == null ? inside()[at] : rows().find((row) => row.getAttribute('href') === href);
    found?.focus({ preventScroll: true });
  };
}

let refreshing = false;
let wanted = false;

/** At most one refresh a second, and always one after the last change. */
async function refreshSoon() {
  wanted = true;
  if (refreshing) return;
  refreshing = true;
  while (wanted) {
    wanted = false;
    await refresh().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  refreshing = false;
}

const aboutTask = document.body.dataset.liveTask;

function onNews({ type, seq, tasks, waiting }) {
  if (waiting !== undefined) showWaiting(waiting);
  if (!('livePage' in document.body.dataset)) return;
  if (type === 'hello' && String(seq) === document.body.dataset.seq) return;
  if (type === 'hint' && document.querySelector('[data-progress]') === null) return;
  if (type === 'change' && aboutTask !== undefined && !tasks.includes(aboutTask)) return;
  refreshSoon();
  document.dispatchEvent(new CustomEvent('doe-news'));
}

/**
 * A browser opens six connections to one server: of all open pages one holds the stream and tells the others.
 * Where it closes, the lock goes to the next one.
 */
function listen() {
  const channel = new BroadcastChannel('doe-live');
  const me = Math.random();
  /** The newest that the stream said, where this page holds it. */
  let newest = null;
  channel.onmessage = ({ data }) => {
    if (data.type !== 'joined') return data.to === undefined || data.to === me ? onNews(data) : undefined;
    // What came between that page's making and its listening is told to it again.
    if (newest !== null && newest.seq > data.seq) channel.postMessage({ ...newest, type: 'hello', to: data.from });
  };
  const tell = (news) => {
    if (news.seq !== undefined) newest = news;
    channel.postMessage(news);
    onNews(news);
  };
  const open = () => {
    const source = new EventSource('/ui/live?hints');
    for (const type of ['hello', 'change', 'hint'])
      source.addEventListener(type, ({ data }) => tell({ type, ...JSON.parse(data) }));
    // A browser gives up on a refusal, as after a session's end: the page loads itself anew and finds out.
    source.addEventListener('error', () => {
      if (source.readyState !== EventSource.CLOSED) return;
      tell({ type: 'lost' });
      setTimeout(open, 5000);
    });
  };
  // Never settles: the lock is held as long as the page is open.
  const hold = () => new Promise(open);
  channel.postMessage({ type: 'joined', from: me, seq: Number(document.body.dataset.seq) });
  if (navigator.locks === undefined) hold();
  else navigator.locks.request('doe-live', hold);
}

if ('seq' in document.body.dataset) listen();
if ('livePage' in document.body.dataset)
  document.addEventListener('visibilitychange', () => document.hidden || refreshSoon());

// -- notices ---------------------------------------------------------------

const waitingNow = () => Number(document.getElementById('waiting')?.textContent) || 0;
let waitedBefore = waitingNow();

/** Every page counts, whatever it is about: in the navigation and in the title. */
function showWaiting(count) {
  const badge = document.getElementById('waiting');
  badge.textContent = count > 0 ? String(count) : '';
  badge.classList.toggle('none', count === 0);
  document.title = `${count > 0 ? `(${count}) ` : ''}${document.title.replace(/^\(\d+\) /, '')}`;
  tellOfMore();
}

function tellOfMore() {
  const waits = waitingNow();
  if (waits > waitedBefore && document.hidden && globalThis.Notification?.permission === 'granted')
    new Notification('DOE', { body: `${waits} wait for your decision`, tag: 'doe-waiting' }).onclick = () =>
      window.focus();
  waitedBefore = waits;
}

const notify = document.querySelector('[data-notify]');
if (notify !== null && globalThis.Notification?.permission === 'default') {
  notify.hidden = false;
  notify.addEventListener('click', async () => {
    notify.hidden = (await Notification.requestPermission()) !== 'default';
  });
}

// -- the log ---------------------------------------------------------------

const log = document.querySelector('[data-log]');
if (log !== null) showLog(log);

/** Runs `step` until it answers false, in short turns: between them the browser draws and hears the person. */
function inTurns(step) {
  const end = performance.now() + 8;
  while (performance.now() < end) if (!step()) return;
  setTimeout(inTurns, 0, step);
}

function showLog(box) {
  const bar = document.querySelector('[data-log-bar]');
  const [search, follow, pause, count] = ['search', 'follow', 'pause', 'count'].map((name) =>
    bar.querySelector(`[data-log-${name}]`),
  );
  // The browser lays out and paints only the chunks in sight, so a chunk is what one look may cost.
  const linesInChunk = 50;
  const mostChunks = 1000;
  /** Shown, oldest first: each chunk's element, its lines' texts in lower case, and how many of them the search finds. */
  const chunks = [];
  /** Arrived, not shown yet: in the batches in which they came. */
  const arrived = [];
  const held = [];
  let last = '';
  let source = null;
  let found = 0;
  let leftOut = 0;
  let searches = 0;
  const on = (button) => button.getAttribute('aria-pressed') === 'true';
  const press = (button, pressed) => button.setAttribute('aria-pressed', String(pressed));
  const wanted = () => search.value.toLowerCase();

  const lineElement = ([stream, at, parts]) => {
    const line = document.createElement('div');
    line.className = `line ${stream}`;
    line.title = at;
    for (const [classes, text] of parts) {
      const part = classes === '' ? document.createTextNode(text) : document.createElement('span');
      if (classes !== '') part.className = classes;
      part.textContent = text;
      line.append(part);
    }
    return line;
  };

  const mark = (chunk, text) => {
    found -= chunk.hits;
    chunk.hits = 0;
    chunk.texts.forEach((line, index) => {
      const hit = text !== '' && line.includes(text);
      chunk.node.children[index].classList.toggle('hit', hit);
      if (hit) chunk.hits += 1;
    });
    found += chunk.hits;
    // The same while only what was found is shown, and whether it is there at all then.
    chunk.node.style.setProperty('--hits', chunk.hits);
    chunk.node.classList.toggle('found', chunk.hits > 0);
  };

  const newChunk = () => {
    const chunk = { node: document.createElement('div'), texts: [], hits: 0 };
    chunk.node.className = 'chunk';
    box.append(chunk.node);
    chunks.push(chunk);
    // Beyond this the browser suffers; the download has the whole.
    if (chunks.length > mostChunks) {
      const { node, texts, hits } = chunks.shift();
      node.remove();
      leftOut += texts.length;
      found -= hits;
    }
    return chunk;
  };

  const say = () => {
    const lines = (number) => (number === 1 ? '1 line' : `${number} lines`);
    const parts = [
      search.value === '' ? '' : `${lines(found)} found`,
      held.length === 0 ? '' : `${lines(held.reduce((sum, batch) => sum + batch.length, 0))} new`,
      leftOut === 0 ? '' : `the first ${lines(leftOut)} only in the download`,
    ];
    const text = parts.filter(Boolean).join(' · ');
    if (count.textContent !== text) count.textContent = text;
  };

  const toEnd = () => {
    box.scrollTop = box.scrollHeight;
  };

  /** Fills one chunk with what arrived first; false when nothing is left. */
  const showSome = () => {
    const [batch] = arrived;
    if (batch === undefined) {
      say();
      return false;
    }
    let chunk = chunks.at(-1);
    if (chunk === undefined || chunk.texts.length >= linesInChunk) chunk = newChunk();
    const lines = batch.splice(0, linesInChunk - chunk.texts.length);
    if (batch.length === 0) arrived.shift();
    for (const line of lines) {
      chunk.node.append(lineElement(line));
      chunk.texts.push(
        line[2]
          .map(([, text]) => text)
          .join('')
          .toLowerCase(),
      );
    }
    // Its height before it is in sight.
    chunk.node.style.setProperty('--lines', chunk.texts.length);
    if (wanted() !== '') mark(chunk, wanted());
    return true;
  };

  let atWork = false;
  const show = (batches) => {
    arrived.push(...batches);
    if (atWork || arrived.length === 0) return;
    atWork = true;
    inTurns(() => {
      atWork = showSome();
      if (on(follow)) requestAnimationFrame(toEnd);
      return atWork;
    });
  };

  const close = () => {
    source?.close();
    source = null;
  };

  const open = () => {
    if (source !== null || document.hidden) return;
    let fresh = last === '';
    source = new EventSource(`${box.dataset.log}${last === '' ? '' : `?after=${last}`}`);
    source.addEventListener('lines', ({ data, lastEventId }) => {
      // What the server had put into the page is replaced by the whole, from its first line on.
      if (fresh) box.replaceChildren();
      fresh = false;
      last = lastEventId;
      const lines = JSON.parse(data);
      if (!on(pause)) return show([lines]);
      held.push(lines);
      say();
    });
    source.addEventListener('end', close);
  };

  bar.hidden = false;
  search.addEventListener('input', () => {
    searches += 1;
    const [mine, text] = [searches, wanted()];
    box.classList.toggle('searching', text !== '');
    // Without a search no line is hidden, whatever it is marked as: nothing to do.
    if (text === '') {
      if (on(follow)) toEnd();
      return say();
    }
    const rest = [...chunks];
    inTurns(() => {
      if (mine !== searches) return false;
      const chunk = rest.shift();
      if (chunk === undefined) {
        say();
        return false;
      }
      if (chunk.node.isConnected) mark(chunk, text);
      return true;
    });
  });
  follow.addEventListener('click', () => {
    press(follow, !on(follow));
    if (on(follow)) toEnd();
  });
  pause.addEventListener('click', () => {
    press(pause, !on(pause));
    if (on(pause)) held.push(...arrived.splice(0));
    else show(held.splice(0));
    say();
  });
  // Going up, by wheel, key, finger or scroll bar, is a wish to read: following ends, and begins again at the bottom.
  const stay = () => box.scrollHeight > box.clientHeight && press(follow, false);
  box.addEventListener('wheel', ({ deltaY }) => deltaY < 0 && stay(), { passive: true });
  box.addEventListener('keydown', ({ key }) => ['ArrowUp', 'PageUp', 'Home'].includes(key) && stay());
  box.addEventListener('touchmove', stay, { passive: true });
  box.addEventListener('pointerdown', ({ offsetX, target }) => target === box && offsetX > box.clientWidth && stay());
  let before = 0;
  box.addEventListener('scroll', () => {
    const down = box.scrollTop > before;
    before = box.scrollTop;
    if (down && box.scrollHeight - box.clientHeight - box.scrollTop < 4) press(follow, true);
  });
  // A page in the background gives its connection back: a browser has six for all of them.
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  // A task that goes round again writes on.
  document.addEventListener('doe-news', open);
  open();
}

// -- passkeys --------------------------------------------------------------

/** Asks the server for a challenge, the person for a touch, and sends the form with both. */
async function touchAndSend(form) {
  const answer = await fetch(form.dataset.passkey, {
    method: 'POST',
    headers: { Accept: 'application/json', 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ csrf: form.elements.csrf.value }),
  });
  const options = await answer.json();
  if (!answer.ok) throw new Error(`${options.error} ${options.hint ?? ''}`);
  const { nonce, request, creation } = options;
  const { startAuthentication, startRegistration } = await import('/ui/assets/webauthn/index.js');
  form.elements.nonce.value = nonce;
  if (request !== null)
    form.elements.assertion.value = JSON.stringify(await startAuthentication({ optionsJSON: request }));
  if (creation !== null)
    form.elements.registration.value = JSON.stringify(await startRegistration({ optionsJSON: creation }));
  sending = true;
  form.submit();
}

for (const form of document.querySelectorAll('form[data-passkey]')) {
  // Where typing does as well, only its own button asks for the touch.
  const touch = form.querySelector('[data-touch]');
  if (touch !== null) touch.hidden = globalThis.PublicKeyCredential === undefined;
  form.addEventListener('submit', (event) => {
    if (touch !== null && event.submitter !== touch) return;
    event.preventDefault();
    if (![...form.querySelectorAll('textarea')].every((answer) => answer.reportValidity())) return;
    const fault = form.querySelector('[data-passkey-fault]');
    fault.textContent = '';
    if (globalThis.PublicKeyCredential === undefined) {
      fault.textContent = 'This browser has no passkeys, or the page is not on a secure address.';
      return;
    }
    touchAndSend(form).catch((error) => {
      fault.textContent = error.name === 'NotAllowedError' ? 'No passkey was touched.' : error.message;
    });
  });
}
