// One decision: all that the acknowledgement would cover, what is new about it, and the two forms.
import { raw } from 'hono/html';
import type { FrontMatter } from '../../directives/index.js';
import type { PublicError } from '../../errors.js';
import { visiblePayload } from '../../tasks/task.js';
import { untrustedReason } from '../../tools/create-task.js';
import { type ApprovalFacts, wantedAssurance } from './approval-facts.js';
import { Decision } from './decision.js';
import { PatchText, WordDiff } from './diff.js';
import type { PageContext } from './env.js';
import type { Form } from './form.js';
import { onOneLine, withHiddenShown } from './hidden-characters.js';
import { Frame } from './layout.js';
import { plainText } from './log.js';
import { renderMarkdown } from './markdown.js';
import { Payload, Source } from './payload.js';
import { Ago, AskedBy, AssuranceBadge, durationText, Empty, Fact, Facts, Hash, Refusal } from './words.js';

interface ApprovalProps {
  context: PageContext;
  facts: ApprovalFacts;
  refusal: PublicError | undefined;
  /** What the person had entered before the refusal. */
  entered: Form | undefined;
}

export const ApprovalPage = ({ context, facts, refusal, entered }: ApprovalProps) => {
  const { task, now } = facts;
  return (
    <Frame context={context} title={task.taskType} here="/ui/approvals" live task={task.id}>
      <p class="crumbs">
        <a href="/ui/approvals">Approvals</a>
      </p>
      <h1>{withHiddenShown(now?.pinned.directive.title ?? task.taskType)}</h1>
      <p class="subtitle">
        <code data-task-id="">{task.id}</code>
      </p>
      {refusal === undefined ? null : <Refusal error={refusal.error} hint={refusal.hint} code={refusal.code} />}
      <div class="decision-layout">
        <div class="evidence">
          <p class="to-decision">
            <a href="#decision">To the decision</a>
          </p>
          <AtAGlance facts={facts} />
          {facts.changed === null ? null : <Changed {...facts.changed} />}
          <h2>Payload</h2>
          <Payload payload={visiblePayload(task)} />
          {now === null ? (
            <Empty>The directive or its script cannot be used now: {facts.changed?.why}</Empty>
          ) : (
            <Work facts={facts} now={now} />
          )}
        </div>
        <Decision context={context} facts={facts} entered={entered} />
      </div>
    </Frame>
  );
};

const AtAGlance = ({ facts }: { facts: ApprovalFacts }) => {
  const { task, now } = facts;
  const policy = now?.policy;
  return (
    <>
      <Facts>
        <Fact name="Task type">{task.taskType}</Fact>
        <Fact name="Project">{task.projectId}</Fact>
        <Fact name="Asked for by">
          <AskedBy task={task} />
        </Fact>
        <Fact name="Waits since">
          <Ago at={task.createdAt} />
        </Fact>
        <Fact name="Needs">
          <AssuranceBadge assurance={wantedAssurance(facts)} />
          {policy !== undefined && policy.quorum > 1 ? ` of ${policy.quorum} people` : ''}
          {policy !== undefined && policy.approvers.length > 0
            ? ` (${withHiddenShown(policy.approvers.join(', '))})`
            : ''}
        </Fact>
        <Fact name="May run">
          {task.policy.maxAttempts === 1 ? 'once, at most ' : `up to ${task.policy.maxAttempts} times, each at most `}
          {durationText(task.policy.timeoutMs)}
        </Fact>
        {now === null ? null : <Fact name="Sandbox">{sandboxText(now.pinned.directive.frontMatter.sandbox)}</Fact>}
        <Fact name="Secrets">{listOf(policy?.secrets)}</Fact>
        <Fact name="Integrations">{listOf(policy?.integrations)}</Fact>
      </Facts>
      <ul class="notes">
        {notesOf(facts).map(({ kind, text, way }) => (
          <li class={kind}>
            {text} {way === undefined ? null : <a href={way.href}>{way.name}</a>}
          </li>
        ))}
      </ul>
    </>
  );
};

const Changed = ({ why, directive, scriptDiff }: NonNullable<ApprovalFacts['changed']>) => (
  <div class="notice-box bad">
    <p>{why}</p>
    {directive === null ? null : (
      <details open>
        <summary>The directive since then</summary>
        <WordDiff {...directive} />
      </details>
    )}
    {scriptDiff === null ? null : (
      <details open>
        <summary>The script since then</summary>
        <PatchText patch={scriptDiff} />
      </details>
    )}
  </div>
);

const sandboxText = (sandbox: FrontMatter['sandbox']) =>
  sandbox === null ? (
    <span class="muted">none: it may do what you may</span>
  ) : (
    `bwrap, ${sandbox.network ? 'with network' : 'no network'}, writes ${withHiddenShown(sandbox.write.join(', ')) || 'nothing'}`
  );

const listOf = (names: string[] | undefined) =>
  names === undefined || names.length === 0 ? (
    <span class="muted">none</span>
  ) : (
    names.map((name) => <code class="pill">{name}</code>)
  );

interface Note {
  kind: 'warn' | 'good';
  text: string;
  /** Where something can be done about it. */
  way?: { href: string; name: string };
}

/** What a careful reader would look at first. */
function notesOf(facts: ApprovalFacts): Note[] {
  const { task, now, lastApproved, lastSuccess, newPasskeys, agreed } = facts;
  const notes: Note[] = [];
  const warn = (text: string, way?: Note['way']) => notes.push({ kind: 'warn', text, ...(way ? { way } : {}) });
  const good = (text: string) => notes.push({ kind: 'good', text });
  const asks = now !== null && now.policy.withheld.length > 0;
  // What a new task is given as its reason where its directive is not trusted is said below, with the way to it.
  if (task.statusReason !== null && !(asks && task.statusReason === untrustedReason(now)))
    warn(plainText(task.statusReason));
  if (asks)
    warn(`Not trusted yet, so it runs without: ${now.policy.withheld.join('; ')}.`, {
      href: `/ui/directives/${encodeURIComponent(now.pinned.directive.id)}`,
      name: 'Look at what it asks for',
    });
  if (lastApproved === null) warn('You have not approved this directive before.');
  else if (lastApproved.sameRevision) good('The directive is as you last approved it.');
  else warn('The directive has changed since you last approved it.');
  if (lastSuccess === null) warn('This directive has never succeeded here.');
  else if (lastSuccess.sameScript) good('The script is the one that last succeeded.');
  else warn('The script, or a file that it can load, has changed since its last success.');
  if (wantedAssurance(facts) === 'passkey')
    for (const { owner, createdAt } of newPasskeys)
      warn(
        `A passkey of ${owner} was enrolled ${new Date(createdAt).toISOString().slice(0, 16).replace('T', ' ')} UTC.`,
      );
  if (agreed.length > 0 && now !== null && now.policy.quorum > 1)
    good(
      `${agreed.join(', ')} agreed; ${Math.max(0, now.policy.quorum - agreed.length)} of ${now.policy.quorum} missing.`,
    );
  return notes;
}

/** One argument a line, as the process gets them: no shell reads them. */
const Command = ({ argv }: { argv: string[] }) => (
  <pre class="command" tabindex={0}>
    {argv.map((argument, index) => `${index === 0 ? '' : '\n    '}${onOneLine(argument)}`).join('')}
  </pre>
);

const Work = ({ facts, now }: { facts: ApprovalFacts; now: NonNullable<ApprovalFacts['now']> }) => {
  const { directive, script, fixScript } = now.pinned;
  const { lastApproved, lastSuccess, sinceFailure, command } = facts;
  return (
    <>
      {sinceFailure === null ? null : (
        <>
          <h2>The repair</h2>
          {sinceFailure === '' ? (
            <Empty>Directive, script and payload are as they were when this task failed.</Empty>
          ) : (
            <details open>
              <summary>Changed since this task failed</summary>
              <PatchText patch={sinceFailure} />
            </details>
          )}
        </>
      )}

      <h2>What will run</h2>
      {command.argv === null ? <p class="warn">{command.fault}</p> : <Command argv={command.argv} />}

      <h2>Directive</h2>
      <p class="muted">
        {withHiddenShown(directive.file)}, version {directive.frontMatter.version}, <Hash sha256={directive.sha256} />
        {directive.frontMatter.owner === null ? '' : `, owned by ${withHiddenShown(directive.frontMatter.owner)}`}
      </p>
      {lastApproved === null || lastApproved.sameRevision || lastApproved.text === null ? null : (
        <details open>
          <summary>
            Changed since you approved it <Ago at={lastApproved.at} />
          </summary>
          <WordDiff before={lastApproved.text} after={directive.content} />
        </details>
      )}
      <article class="directive">{raw(renderMarkdown(directive.body))}</article>
      <details>
        <summary>The file as it is, with its front matter</summary>
        <pre class="source" tabindex={0}>
          <code>{withHiddenShown(directive.content)}</code>
        </pre>
      </details>

      <h2>Script</h2>
      <p class="muted">
        execution/{withHiddenShown(script.name)}, digest <Hash sha256={now.pinned.pins.scriptSha256} /> over it and the
        files that it can load
      </p>
      {lastSuccess === null || lastSuccess.sameScript || lastSuccess.scriptDiff === null ? null : (
        <details open>
          <summary>
            Changed since its success <Ago at={lastSuccess.at} />
          </summary>
          <PatchText patch={lastSuccess.scriptDiff} />
        </details>
      )}
      <Source text={script.text} name={script.name} />
      {fixScript === null ? null : (
        <details>
          <summary>After the last failed attempt: execution/{withHiddenShown(fixScript.name)}</summary>
          <Source text={fixScript.text} name={fixScript.name} />
        </details>
      )}
    </>
  );
};
