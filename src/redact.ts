// Takes secrets out of text before anyone stores, shows or logs it.

/**
 * Any JWT in compact form (RFC 7515 section 7.1): every token of ours has it, whoever printed it. Its header is bounded,
 * since a line of thousands of beginnings would otherwise be read to its end from each of them.
 */
const jwt = /\beyJ[A-Za-z0-9_-]{8,1024}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}/g;

/** No token of ours comes near it. */
const longestToken = 8192;

const shortestJwt = 'eyJ'.length + 8 + 1 + 8 + 1 + 16;

/** Shorter values would match by accident. */
const shortestSecret = 4;

/** Of a secret of several lines, shorter lines tell nothing by themselves. */
const shortestLine = 12;

const replacement = '[redacted]';

/** The forms in which a secret commonly turns up: as it is, URL-encoded, in JSON, in base64. */
const formsOf = (secret: string): string[] => [
  secret,
  encodeURIComponent(secret),
  JSON.stringify(secret).slice(1, -1),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
];

/**
 * What an address of the form `scheme://user:password@host` gives away: the password, as it stands there and decoded, and
 * both parts together, which a header has in base64 (RFC 7617). Where there is no password, the user is the key. Empty for
 * any other text.
 */
export function addressSecrets(text: string): string[] {
  const [, both] = /^\s*[a-z][a-z0-9+.-]*:\/\/([^\s/?#]+)@/i.exec(text) ?? [];
  if (both === undefined) return [];
  const password = both.replace(/^[^:]*:(?=.)/, '').replace(/:$/, '');
  return [...new Set([password, both].flatMap((part) => [part, decoded(part)]))];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export type Redact = (text: string) => string;

export interface Redactor {
  (text: string): string;
  /** The same for a text that was cut off at its end: what could be the beginning of a secret there goes with it. */
  ofCut(text: string): string;
}

/** A function that replaces every given value, in its common forms, and every JWT. */
export function createRedactor(secrets: readonly string[]): Redactor {
  // Logs are redacted line by line: a secret of several lines, such as a private key, must be known by each of them.
  const lines = secrets.flatMap((secret) => secret.split(/\r?\n/).filter((line) => line.length >= shortestLine));
  const forms = new Set([...secrets.filter((secret) => secret.length >= shortestSecret), ...lines].flatMap(formsOf));
  // Longest first: a secret that contains another one is taken out whole.
  const ordered = [...forms].sort((one, other) => other.length - one.length);
  const shortest = Math.min(shortestJwt, ...ordered.map((form) => form.length));
  const redact: Redact = (text) =>
    text.length < shortest
      ? text
      : ordered.reduce((rest, form) => rest.replaceAll(form, replacement), text).replace(jwt, replacement);
  const longest = Math.max(longestToken, ordered[0]?.length ?? 0);
  // In what is left of a secret, a shorter one may have given way to a text that is longer than itself.
  const doubtful = longest * Math.ceil(replacement.length / shortestSecret);
  return Object.assign(redact, { ofCut: (text: string) => redact(text).slice(0, -doubtful) });
}
