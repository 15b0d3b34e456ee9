// Hosts, not models, read resources and get prompts: refusals there are errors of the protocol (MCP, "Resources" and "Prompts", error handling).
import { ProtocolError, ProtocolErrorCode, ResourceNotFoundError } from '@modelcontextprotocol/server';
import { DispatcherError, httpStatus } from '../errors.js';

const invalid = ({ message, hint, code }: DispatcherError): ProtocolError =>
  new ProtocolError(ProtocolErrorCode.InvalidParams, [message, hint].filter(Boolean).join(' '), { code });

/** @param uri the resource that is read; a prompt has none */
export async function asProtocolErrors<T>(job: () => Promise<T>, uri?: string): Promise<T> {
  try {
    return await job();
  } catch (error) {
    if (!(error instanceof DispatcherError)) throw error;
    throw uri !== undefined && httpStatus(error.code) === 404 ? new ResourceNotFoundError(uri) : invalid(error);
  }
}
