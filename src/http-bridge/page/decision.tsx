// The decision over a task: by typing its id, or by the touch of a passkey; and the way to say no.
import { type ApprovalFacts, wantedAssurance } from './approval-facts.js';
import type { PageContext } from './env.js';
import type { Form } from './form.js';
import { withHiddenShown } from './hidden-characters.js';
import { Csrf } from './layout.js';
import { PasskeyFields } from './passkeys.js';
import { Hash } from './words.js';

export const Decision = ({
  context,
  facts,
  entered,
}: {
  context: PageContext;
  facts: ApprovalFacts;
  entered: Form | undefined;
}) => {
  const { task, now, changed } = facts;
  const path = `/ui/approvals/${encodeURIComponent(task.id)}`;
  if (task.status !== 'awaiting_ack')
    return (
      <aside class="decision" aria-label="Decision">
        <p>This task does not wait for a decision any more.</p>
        <p>
          <a href={`/ui/tasks/${encodeURIComponent(task.id)}`}>Look at it</a>
        </p>
      </aside>
    );
  return (
    <aside class="decision" aria-label="Decision" id="decision">
      {changed === null && now !== null ? (
        <ApproveForm
          context={context}
          facts={facts}
          path={path}
          entered={entered}
          questions={now.pinned.directive.frontMatter.questions}
        />
      ) : (
        <form method="post" action={`${path}/look-again`}>
          <Csrf context={context} />
          <p class="warn">{changed?.why}</p>
          <button type="submit">Take it as it is now</button>
          <p class="muted">Then look at it again and decide.</p>
        </form>
      )}
      <form method="post" action={`${path}/reject`} class="reject">
        <Csrf context={context} />
        <label for="reason">
          Why not? <span class="muted">Whoever asked will read it.</span>
        </label>
        <textarea id="reason" name="reason" rows={2} maxlength={2000}>
          {entered?.get('reason') ?? ''}
        </textarea>
        <button type="submit" class="bad">
          Reject
        </button>
      </form>
      <p class="keys">
        <kbd>a</kbd> approve, <kbd>r</kbd> reject, <kbd>Esc</kbd> leaves a field
      </p>
    </aside>
  );
};

interface ApproveFormProps {
  context: PageContext;
  facts: ApprovalFacts;
  path: string;
  entered: Form | undefined;
  questions: string[];
}

const ApproveForm = ({ context, facts, path, entered, questions }: ApproveFormProps) => {
  const { task, passkeys } = facts;
  const onlyPasskey = wantedAssurance(facts) === 'passkey';
  const common = (
    <>
      <Csrf context={context} />
      <input type="hidden" name="binding" value={task.pins.binding} />
      {questions.map((question, index) => (
        <>
          <label for={`answer-${index}`}>{withHiddenShown(question)}</label>
          <textarea id={`answer-${index}`} name={`answer-${index}`} rows={2} required>
            {entered?.get(`answer-${index}`) ?? ''}
          </textarea>
        </>
      ))}
    </>
  );
  const binding = (
    <p class="muted">
      Binding <Hash sha256={task.pins.binding} />
    </p>
  );
  if (onlyPasskey)
    return (
      <form method="post" action={`${path}/approve`} class="approve" data-passkey={`${path}/options`}>
        {common}
        <PasskeyFields />
        {passkeys.length === 0 ? (
          <p class="warn">
            This directive wants a passkey, and none is enrolled here. <a href="/ui/passkeys">Enrol one</a>
          </p>
        ) : (
          <button type="submit">Approve with a passkey</button>
        )}
        {binding}
      </form>
    );
  return (
    <form
      method="post"
      action={`${path}/approve`}
      class="approve"
      autocomplete="off"
      {...(passkeys.length === 0 ? {} : { 'data-passkey': `${path}/options` })}
    >
      {common}
      <label for="typed">
        Type <code class="copy">{task.id}</code> to approve
      </label>
      <input id="typed" name="typed" required spellcheck={false} autocapitalize="off" autocomplete="off" value="" />
      <button type="submit">Approve</button>
      {passkeys.length === 0 ? null : (
        <>
          <PasskeyFields optional />
          <button type="submit" class="quiet" data-touch="" formnovalidate hidden>
            Approve with a passkey instead
          </button>
        </>
      )}
      {binding}
    </form>
  );
};
