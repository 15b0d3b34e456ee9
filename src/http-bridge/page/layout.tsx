// The frame of every page: head, navigation, sign-out.
import { html } from 'hono/html';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { publicError } from '../../errors.js';
import { assetUrl } from './assets.js';
import type { PageContext } from './env.js';
import { withHiddenShown } from './hidden-characters.js';
import { Refusal } from './words.js';

/** Answers with a whole document. */
export const send = (
  context: PageContext,
  document: unknown,
  status: ContentfulStatusCode = 200,
): Response | Promise<Response> => context.html(html`<!doctype html>${document}`, status);

export interface FrameProps {
  context: PageContext;
  title: string;
  /** Which entry of the navigation is the present one. */
  here?: string;
  /** Loads anew what has an id and `data-live` when something changed. */
  live?: boolean;
  /** The one task that the page is about: changes of others are none of its business. */
  task?: string;
  children?: unknown;
}

const places = [
  ['/ui', 'Overview'],
  ['/ui/approvals', 'Approvals'],
  ['/ui/tasks', 'Tasks'],
  ['/ui/directives', 'Directives'],
  ['/ui/anneals', 'Repairs'],
  ['/ui/audit', 'Audit'],
] as const;

export const Frame = ({ context, title, here, live = false, task, children }: FrameProps) => {
  const viewer = context.get('viewer');
  const waiting = context.get('waiting') ?? 0;
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${viewer !== null && waiting > 0 ? `(${waiting}) ` : ''}${withHiddenShown(title)} · DOE`}</title>
        <link rel="stylesheet" href={assetUrl('page.css')} />
        <link rel="icon" type="image/svg+xml" href={assetUrl('icon.svg')} />
        <script src={assetUrl('page.js')} defer />
      </head>
      <body
        {...(viewer === null ? {} : { 'data-seq': String(context.get('seq')) })}
        {...(live ? { 'data-live-page': '' } : {})}
        {...(task === undefined ? {} : { 'data-live-task': task })}
      >
        <a class="skip" href="#main">
          Skip to content
        </a>
        <header>
          <a class="brand" href="/ui">
            <img src={assetUrl('icon.svg')} alt="" width="24" height="24" /> DOE
          </a>
          {viewer === null ? null : (
            <Navigation here={here} waiting={waiting} csrf={viewer.csrf} person={viewer.caller.person} />
          )}
        </header>
        <main id="main">{children}</main>
      </body>
    </html>
  );
};

interface NavigationProps {
  here: string | undefined;
  waiting: number;
  csrf: string | null;
  person: string | null;
}

const Navigation = ({ here, waiting, csrf, person }: NavigationProps) => (
  <>
    <nav aria-label="Pages">
      <ul>
        {places.map(([path, name]) => (
          <li>
            <a href={path} {...(path === here ? { 'aria-current': 'page' } : {})}>
              {name}
              {path === '/ui/approvals' ? (
                <span id="waiting" data-live="" class={waiting > 0 ? 'count' : 'count none'}>
                  {waiting > 0 ? String(waiting) : ''}
                </span>
              ) : null}
            </a>
          </li>
        ))}
      </ul>
    </nav>
    {csrf === null ? null : (
      <form method="post" action="/ui/sign-out" class="who">
        <a href="/ui/passkeys" title="Passkeys">
          {person ?? 'operator'}
        </a>
        <input type="hidden" name="csrf" value={csrf} />
        <button type="submit" class="quiet">
          Sign out
        </button>
      </form>
    )}
  </>
);

/** The hidden token without which no change is taken. */
export const Csrf = ({ context }: { context: PageContext }) => (
  <input type="hidden" name="csrf" value={context.get('viewer')?.csrf ?? ''} />
);

/** A page that says what was refused and why. */
export const ProblemPage = ({ context, error }: { context: PageContext; error: unknown }) => {
  const shown = publicError(error);
  return (
    <Frame context={context} title="Not possible">
      <h1>That did not work</h1>
      <Refusal error={shown.error} hint={shown.hint} code={shown.code} />
      <p>
        <a href="/ui">To the overview</a>
      </p>
    </Frame>
  );
};
