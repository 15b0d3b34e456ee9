// The port to tokens: signing from an ack's row and reading back. Rows and hashes are the verbs' to check.
import type { Ack } from '../tasks/task.js';

/** What a verified token says. Times are epoch milliseconds. */
export interface TokenClaims {
  kind: 'ack' | 'run';
  ackId: string;
  taskId: string;
  /** Null for an ack token. */
  runId: string | null;
  actorId: string;
  directiveSha256: string;
  payloadSha256: string;
  scriptSha256: string;
  binding: string;
  expiresAt: number;
  /** A token of the previous secret counts only for an ack that is older than the rotation; a run's never has one. */
  signedBy: 'current' | 'previous';
}

/** What a run key allows: calls of the integrations that the directive names, while the run lasts. */
export interface RunKeyClaims {
  taskId: string;
  runId: string;
  integrations: string[];
}

export interface Acks {
  /** The JWT (RFC 7519, HS256) of an ack: the same row always gives the same token, so none is ever stored. */
  ackToken(ack: Ack): Promise<string>;
  /** What a script is handed: the ack's claims and the run's id, valid until `expiresAt`. */
  runToken(ack: Ack, runId: string, expiresAt: number): Promise<string>;
  runKey(claims: RunKeyClaims, expiresAt: number): Promise<string>;
  /**
   * Checks form, signature and times of an ack or run token.
   * @param now epoch ms that times are judged by
   * @throws `token_missing`, `token_malformed`, `token_signature`, `token_expired`
   */
  read(token: string | undefined, now: number): Promise<TokenClaims>;
  /** @throws `unauthorized` */
  readRunKey(token: string, now: number): Promise<RunKeyClaims>;
  /** HMAC over nonce and address, base64url: what `/health?nonce=…` answers so that a client knows whom it talks to. */
  healthProof(nonce: string, address: string): string;
  /** Names the secret without telling it: the store remembers it and refuses another. */
  readonly secretFingerprint: string;
  readonly previousFingerprint: string | null;
  /** A key of its own purpose (HKDF, RFC 5869), for doors that sign state of their own, such as sessions and forms. */
  purposeKey(purpose: string): Uint8Array;
}
