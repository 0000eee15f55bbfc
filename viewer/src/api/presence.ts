import type { Present } from '../model/presence'

/**
 * Say where this viewer looks; answers whether the server heard it. Nobody waits for it and nothing is lost without it,
 * so no failure of it is told, and it is never what sends a reader to the sign-in page.
 */
export async function putPresence(slide: string, seen: Omit<Present, 'account'>): Promise<boolean> {
  const init: RequestInit = {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    credentials: 'same-origin',
    body: JSON.stringify(seen),
  }
  const answer = await fetch(`/api/slides/${encodeURIComponent(slide)}/presence`, init).catch(() => null)
  return answer?.ok ?? false
}
