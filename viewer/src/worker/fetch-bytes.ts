/** Fetch what a worker needs, with the reader's own session. */

/** The server's answer was not what was asked for. */
export class Refused extends Error {
  constructor(readonly status: number) {
    super(`The server answered ${status}.`)
  }
}

export async function fetchBytes(url: string, signal: AbortSignal): Promise<ArrayBuffer> {
  const response = await fetch(url, { credentials: 'same-origin', signal })
  if (!response.ok) throw new Refused(response.status)
  return response.arrayBuffer()
}
