/** What has happened to a slide's objects, read back out of its events. */
import type { Told } from '../model/deletions'
import { boxOf } from './events'
import { ApiError, NetworkError, problemOf } from './http'

/** A stream that says nothing more of interest is left after this time. */
const LONGEST_MS = 10_000

function toldOf(data: string): Told | null {
  try {
    const given = JSON.parse(data) as Record<string, unknown>
    const text = (name: string): string => (typeof given[name] === 'string' ? (given[name] as string) : '')
    if (typeof given.revision !== 'number') return null
    return {
      revision: given.revision,
      author: text('author'),
      at: text('at'),
      layer: text('layer'),
      kind: text('kind'),
      count: typeof given.count === 'number' ? given.count : 0,
      ids: Array.isArray(given.ids) ? given.ids.map(String) : null,
      box: boxOf(given.box),
    }
  } catch {
    return null
  }
}

/** The whole events of a piece of a stream: id, name and data of each, and what is left over. */
export function eventsIn(text: string): { readonly events: readonly Record<string, string>[]; readonly rest: string } {
  const blocks = text.split('\n\n')
  const rest = blocks.pop() ?? ''
  const events = blocks.map((block) =>
    Object.fromEntries(
      block.split('\n').flatMap((line) => {
        const at = line.indexOf(':')
        return at > 0 ? [[line.slice(0, at), line.slice(at + 1).trimStart()] as const] : []
      }),
    ),
  )
  return { events, rest }
}

/** The events of a stream as they come, until it ends. */
async function* follow(response: Response): AsyncGenerator<Record<string, string>> {
  if (!response.ok || !response.body) throw problemOf(response.status, null, null)
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let held = ''
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const { events, rest } = eventsIn(held + part.value)
    held = rest
    yield* events
  }
}

async function* changesOf(response: Response): AsyncGenerator<{ readonly told: Told; readonly id: number }> {
  for await (const { event, data = '', id } of follow(response)) {
    const told = event === 'changed' ? toldOf(data) : null
    // Only the last of a revision names it.
    if (told) yield { told, id: Number(id ?? 0) }
  }
}

/** Changes after revision `since`, up to `until`, oldest first: the stream goes on, so it is left where `until` is told. */
export async function changesSince(slide: string, since: number, until: number): Promise<readonly Told[]> {
  const found: Told[] = []
  if (since >= until) return found
  const leave = new AbortController()
  const timer = setTimeout(() => leave.abort(), LONGEST_MS)
  const headers = { accept: 'text/event-stream', 'last-event-id': String(since) }
  const path = `/api/slides/${encodeURIComponent(slide)}/events`
  try {
    const response = await fetch(path, { headers, credentials: 'same-origin', signal: leave.signal })
    for await (const { told, id } of changesOf(response)) {
      found.push(told)
      if (id >= until) break
    }
  } catch (error) {
    if (error instanceof ApiError) throw error
    if (!leave.signal.aborted) throw new NetworkError('The server cannot be reached.')
  } finally {
    clearTimeout(timer)
    leave.abort()
  }
  return found
}
