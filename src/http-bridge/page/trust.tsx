// What asks for trust: each with its diff, and the one button that says yes to exactly that.
import type { Hono } from 'hono';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { listTrust, trustItems } from '../../tools/index.js';
import { invoke } from '../../tools/operation.js';
import { PatchText } from './diff.js';
import { callOf, type PageContext, type PageEnv } from './env.js';
import { Csrf, Frame, send } from './layout.js';
import { Empty, Hash } from './words.js';

export type TrustEntry = Awaited<ReturnType<typeof listTrust.run>>['items'][number];

export function addTrust(app: Hono<PageEnv>, dispatcher: Dispatcher): void {
  app.get('/trust', async (context) => {
    const { items } = await invoke(dispatcher, listTrust, {}, callOf(context));
    return send(context, <TrustPage context={context} items={items} />);
  });

  app.post('/trust', async (context) => {
    const form = context.get('form');
    const item = {
      kind: form.get('kind') as TrustEntry['kind'],
      id: form.get('id') ?? '',
      sha256: form.get('sha256') ?? '',
      script_sha256: form.get('script_sha256') ?? null,
    };
    await invoke(dispatcher, trustItems, { items: [item] }, callOf(context));
    return context.redirect(
      item.kind === 'directive' ? `/ui/directives/${encodeURIComponent(item.id)}` : '/ui/trust',
      303,
    );
  });
}

const TrustPage = ({ context, items }: { context: PageContext; items: TrustEntry[] }) => {
  const waiting = items.filter(({ trusted }) => !trusted);
  const trusted = items.filter((item) => item.trusted);
  return (
    <Frame context={context} title="Trust" here="/ui/directives">
      <p class="crumbs">
        <a href="/ui/directives">Directives</a>
      </p>
      <h1>Trust</h1>
      {waiting.length === 0 ? (
        <Empty>Nothing asks for trust.</Empty>
      ) : (
        waiting.map((entry) => <TrustForm context={context} entry={entry} named />)
      )}
      {trusted.length === 0 ? null : (
        <>
          <h2>Trusted as it is now</h2>
          <ul>
            {trusted.map(({ kind, id, sha256 }) => (
              <li>
                {kind} {id} <Hash sha256={sha256} />
              </li>
            ))}
          </ul>
        </>
      )}
    </Frame>
  );
};

interface TrustFormProps {
  context: PageContext;
  entry: TrustEntry;
  /** Says whose it is, where the page is not about it alone. */
  named?: boolean;
}

export const TrustForm = ({ context, entry, named = false }: TrustFormProps) => (
  <div class="notice-box">
    <p>
      <strong>{named ? `The ${entry.kind} ${entry.id} is not trusted.` : 'Not trusted yet.'}</strong> It asks for{' '}
      {entry.asks_for.join('; ')}, and does without until an operator trusts exactly this content.
    </p>
    {entry.error === null ? (
      <>
        <details>
          <summary>What your yes would cover</summary>
          <PatchText patch={entry.diff} />
        </details>
        <form method="post" action="/ui/trust">
          <Csrf context={context} />
          <input type="hidden" name="kind" value={entry.kind} />
          <input type="hidden" name="id" value={entry.id} />
          <input type="hidden" name="sha256" value={entry.sha256} />
          {entry.script_sha256 === null ? null : (
            <input type="hidden" name="script_sha256" value={entry.script_sha256} />
          )}
          <button type="submit">Trust this content</button>
        </form>
      </>
    ) : (
      <p class="warn">{entry.error}</p>
    )}
  </div>
);
