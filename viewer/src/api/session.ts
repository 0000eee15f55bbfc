import { request } from './http'

export interface Session {
  readonly user: string
  readonly role: string
  readonly can_annotate: boolean
  readonly can_ingest: boolean
  readonly can_see_originals: boolean
}

export async function getSession(): Promise<Session> {
  return (await request<Session>('/api/session')).body
}

export async function signOut(): Promise<void> {
  await request<null>('/api/session', { method: 'DELETE' })
}

/** Trade the one-time code of a sign-in link for a session cookie. */
export async function signIn(code: string): Promise<void> {
  await request<null>('/sign-in', { method: 'POST', body: { code } })
}
