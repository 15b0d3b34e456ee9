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

/** Loads the page anew and takes over what is marked as live; focus stays where it was. */
async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
  // Signed out, or decided elsewhere: the page is another one now.
  if (answer.redirected) return location.assign(answer.url);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const focused = document.activeElement?.closest('[data-row]')?.getAttribute('href');
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
  if (focused)
    rows()
      .find((row) => row.getAttribute('href') === focused)
      ?.focus();
  document.title = fresh.title;
  document.body.dataset.livePage = fresh.body.dataset.livePage ?? '';
  freshenTimes();
  tellOfMore();
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

function onNews({ type, seq, tasks }) {
  if (type === 'hello' && String(seq) === document.body.dataset.livePage) return;
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
  channel.onmessage = ({ data }) => onNews(data);
  const tell = (news) => {
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
  if (navigator.locks === undefined) hold();
  else navigator.locks.request('doe-live', hold);
}

if ('livePage' in document.body.dataset) {
  listen();
  document.addEventListener('visibilitychange', () => document.hidden || refreshSoon());
}

// -- notices ---------------------------------------------------------------

const waitingNow = () => Number(document.getElementById('waiting')?.textContent) || 0;
let waitedBefore = waitingNow();

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

function showLog(box) {
  const bar = document.querySelector('[data-log-bar]');
  const [search, follow, pause, count] = ['search', 'follow', 'pause', 'count'].map((name) =>
    bar.querySelector(`[data-log-${name}]`),
  );
  const linesInChunk = 200;
  const mostChunks = 250;
  let chunk = null;
  let last = '';
  let source = null;
  const held = [];
  const on = (button) => button.getAttribute('aria-pressed') === 'true';

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
    mark(line);
    return line;
  };

  const mark = (line) => {
    const text = search.value.toLowerCase();
    const hit = text !== '' && line.textContent.toLowerCase().includes(text);
    line.classList.toggle('hit', hit);
    line.classList.toggle('miss', text !== '' && !hit);
  };

  const say = () => {
    if (search.value !== '') count.textContent = `${box.querySelectorAll('.hit').length} lines`;
    else count.textContent = held.length > 0 ? `${held.length} new lines wait` : '';
  };

  const toEnd = () => {
    box.scrollTop = box.scrollHeight;
  };

  const append = (lines) => {
    for (const line of lines) {
      if (chunk === null || chunk.childElementCount >= linesInChunk) {
        chunk = document.createElement('div');
        chunk.className = 'chunk';
        box.append(chunk);
        // Beyond this the browser suffers; the download has the whole.
        if (box.childElementCount > mostChunks) box.firstElementChild.remove();
      }
      chunk.append(lineElement(line));
    }
    if (on(follow)) requestAnimationFrame(toEnd);
    say();
  };

  const open = () => {
    if (source !== null) return;
    let fresh = last === '';
    source = new EventSource(`${box.dataset.log}${last === '' ? '' : `?after=${last}`}`);
    source.addEventListener('lines', ({ data, lastEventId }) => {
      // What the server had put into the page is replaced by the whole, from its first line on.
      if (fresh) box.replaceChildren();
      fresh = false;
      last = lastEventId;
      const lines = JSON.parse(data);
      if (on(pause)) held.push(...lines);
      else append(lines);
      say();
    });
    source.addEventListener('end', () => {
      source.close();
      source = null;
    });
  };

  bar.hidden = false;
  search.addEventListener('input', () => {
    for (const line of box.querySelectorAll('.line')) mark(line);
    say();
  });
  follow.addEventListener('click', () => {
    follow.setAttribute('aria-pressed', String(!on(follow)));
    if (on(follow)) toEnd();
  });
  pause.addEventListener('click', () => {
    pause.setAttribute('aria-pressed', String(!on(pause)));
    if (!on(pause)) append(held.splice(0));
    say();
  });
  // Scrolling up is a wish to read: following ends, and begins again at the bottom.
  box.addEventListener('wheel', ({ deltaY }) => deltaY < 0 && follow.setAttribute('aria-pressed', 'false'), {
    passive: true,
  });
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
  form.elements.nonce.value = nonce;
  if (request !== null) {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(request);
    form.elements.assertion.value = JSON.stringify((await navigator.credentials.get({ publicKey })).toJSON());
  }
  if (creation !== null) {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(creation);
    form.elements.registration.value = JSON.stringify((await navigator.credentials.create({ publicKey })).toJSON());
  }
  form.submit();
}

for (const form of document.querySelectorAll('form[data-passkey]'))
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const fault = form.querySelector('[data-passkey-fault]');
    fault.textContent = '';
    if (globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON === undefined) {
      fault.textContent = 'This browser has no passkeys, or is too old for them.';
      return;
    }
    touchAndSend(form).catch((error) => {
      fault.textContent = error.name === 'NotAllowedError' ? 'No passkey was touched.' : error.message;
    });
  });
