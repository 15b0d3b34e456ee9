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
  a: () => document.querySelector('.approve input:not([type=hidden]), .approve textarea')?.focus(),
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
